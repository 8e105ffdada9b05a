import type { SnapshotProgress, StoppedTable } from '../source.ts';
import type { Problem } from './publication.ts';

/** How a Postgres database is captured. */
export interface PostgresSourceOptions {
  /** Prefix of the topics; `[a-z_][a-z0-9_]*`. */
  readonly name: string;
  /** `postgres://user:password@host:port/database`. Never logged. */
  readonly url: string;
  readonly publication: string;
  readonly slot: string;
  /**
   * `schema.table` names. When given, the publication is created for them if it does not exist; when not, it
   * must exist and its tables are captured.
   */
  readonly tables?: readonly string[] | undefined;
  /** Partitions of topics that do not exist yet. Default 4. */
  readonly partitions?: number | undefined;
  /**
   * `initial` reads the tables that the Log does not hold yet; `never` starts with their changes. Either reads what
   * changes were missed of.
   */
  readonly snapshot?: 'initial' | 'never' | undefined;
  /** `schema.table` to milliseconds: older records of the table are forgotten, also the newest of their rows. */
  readonly retention?: Readonly<Record<string, number>> | undefined;
  /** What is around the rows in the Log: nothing, or Debezium's envelope. Default `none`. */
  readonly envelope?: EnvelopeKind | undefined;
  /** What TRUNCATE does to the views. Default `propagate`. */
  readonly truncate?: 'propagate' | 'ignore' | undefined;
  /** Writes a logical message this often, for databases so idle that the slot would hold WAL. Default off. */
  readonly heartbeatMs?: number | undefined;
  /** Take a new slot and read every table again after the slot was lost. The operator's choice, never a default. */
  readonly resnapshot?: boolean | undefined;
  /** Called while tables are read, at most about ten times a second per table. */
  readonly onProgress?: ((progress: SnapshotProgress) => void) | undefined;
  /** Called with what the first start waits for: transactions that are open. */
  readonly onWaiting?: ((waiting: Problem) => void) | undefined;
  /** Called once when a table has to be left out, with the error that says why and what mends it. */
  readonly onTableStopped?: ((table: string, error: Error) => void) | undefined;
  /** Called with the tables that are left out, when the source begins and whenever others are. */
  readonly onStoppedTables?: ((tables: readonly StoppedTable[]) => void) | undefined;
}

export type EnvelopeKind = 'none' | 'debezium';

export const defaultPartitions = 4;
