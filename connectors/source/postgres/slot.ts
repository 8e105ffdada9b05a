import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import { type Lsn, parseLsn } from '../../../core/lsn.ts';
import { attempt, connect, quoteIdent, quoteText, withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { classifyPostgres, slotsExhausted } from './pg-errors.ts';
import { watchSlotCreation } from './slot-wait.ts';

/** What Postgres says of a source's slot. */
export interface SlotStatus {
  readonly exists: boolean;
  readonly active: boolean;
  readonly confirmedLsn: Lsn | null;
  readonly restartLsn: Lsn | null;
  /** WAL that Postgres keeps because of the slot. */
  readonly retainedBytes: number | null;
  /** reserved, extended, unreserved or lost: pg_replication_slots.wal_status. */
  readonly walStatus: string | null;
}

type SlotOptions = Pick<PostgresSourceOptions, 'url' | 'slot'>;

export async function slotStatus(options: SlotOptions): Promise<SlotStatus> {
  return withClient(options, `reading the state of the slot "${options.slot}"`, (client) =>
    readSlot(client, options.slot),
  );
}

/** Errors: `SOURCE_SLOT_FOREIGN` when the slot of that name is not one that this database's sources can have. */
export async function readSlot(client: pg.Client, slot: string): Promise<SlotStatus> {
  const { rows } = await client.query(
    `select slot_type, plugin, database, database = current_database() as here, active, confirmed_flush_lsn, restart_lsn, wal_status,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as retained
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  const row = rows[0];
  if (!row)
    return {
      exists: false,
      active: false,
      confirmedLsn: null,
      restartLsn: null,
      retainedBytes: null,
      walStatus: null,
    };
  // Slots are the server's, so any database, program or standby may have taken the name.
  if (row.slot_type !== 'logical') throw slotForeign(slot, 'is a physical one, as standbys and backups use');
  if (row.here !== 't') throw slotForeign(slot, `belongs to the database "${row.database}"`);
  if (row.plugin !== 'pgoutput')
    throw slotForeign(slot, `has the plugin ${row.plugin}, which another program reads`);
  return {
    exists: true,
    active: row.active === 't',
    confirmedLsn: row.confirmed_flush_lsn === null ? null : parseLsn(row.confirmed_flush_lsn),
    restartLsn: row.restart_lsn === null ? null : parseLsn(row.restart_lsn),
    retainedBytes: row.retained === null ? null : Number(row.retained),
    walStatus: row.wal_status,
  };
}

/** SQL: how many slots can be made. */
export const freeSlots =
  "current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)";

/** Errors: `SOURCE_SLOTS_EXHAUSTED` when no slot can be made. */
export async function requireFreeSlot(client: pg.Client, options: SlotOptions): Promise<void> {
  const { rows } = await client.query(`select ${freeSlots} as free`);
  if (Number(rows[0].free) > 0) return;
  throw slotsExhausted(attempt(options, `looking for a slot for "${options.slot}"`));
}

/** How far the server has written its WAL. */
export async function currentLsn(client: pg.Client): Promise<Lsn> {
  const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn');
  return parseLsn(rows[0]!.lsn);
}

/** A new slot, and the snapshot of the database at exactly its starting point. */
export interface CreatedSlot {
  readonly consistentLsn: Lsn;
  readonly snapshot: string;
  /** Ends the connection that keeps the snapshot importable; transactions that imported it go on. */
  release(): Promise<void>;
}

/**
 * Waits for transactions that are open, and tells `onWaiting` which, asked over `client`.
 * https://www.postgresql.org/docs/current/protocol-replication.html CREATE_REPLICATION_SLOT
 */
export async function createSlot(
  options: SlotOptions & Pick<PostgresSourceOptions, 'onWaiting'>,
  asking: pg.Client,
): Promise<CreatedSlot> {
  const doing = `creating the slot "${options.slot}"`;
  const client = await connect(options, doing, true);
  const pid = (client as unknown as { processID: number }).processID;
  const watch = watchSlotCreation(asking, { name: options.slot, pid }, (w) => options.onWaiting?.(w));
  try {
    const { rows } = await client.query(
      `CREATE_REPLICATION_SLOT ${quoteIdent(options.slot)} LOGICAL pgoutput (SNAPSHOT 'export')`,
    );
    const row = rows[0];
    return {
      consistentLsn: parseLsn(row.consistent_point),
      snapshot: row.snapshot_name,
      release: () => client.end(),
    };
  } catch (error) {
    await client.end().catch(() => {});
    throw classifyPostgres(error, attempt(options, doing));
  } finally {
    watch.stop();
  }
}

/** Drops the slot; false when there was none. Refused while a process reads from it, and when it is another's. */
export async function dropSlot(options: SlotOptions): Promise<boolean> {
  return withClient(options, `dropping the slot "${options.slot}"`, async (client) => {
    const status = await readSlot(client, options.slot);
    if (!status.exists) return false;
    await client.query('select pg_drop_replication_slot($1)', [options.slot]);
    return true;
  });
}

function slotForeign(slot: string, whose: string): InsideoutError {
  return new InsideoutError(
    'SOURCE_SLOT_FOREIGN',
    `The slot "${slot}" ${whose}, so it is not this source's.`,
    {
      hint: `Set another \`slot\` for the source in the config; or, when really nobody needs this one, run: SELECT pg_drop_replication_slot(${quoteText(slot)});`,
    },
  );
}

/** The slot may be that of another project of the same database, whose Log would miss what this one reads. */
export function slotUnknown({ name, slot }: Pick<PostgresSourceOptions, 'name' | 'slot'>): InsideoutError {
  return new InsideoutError(
    'SOURCE_SLOT_FOREIGN',
    `The slot "${slot}" exists, and this Log has never read from it.`,
    {
      hint: `If another Log reads it, set another \`slot\` for the source in the config; if this Log was begun anew, run \`insideout source run ${name} --resnapshot\`, which takes the slot over and reads every table.`,
    },
  );
}

/** Changes since the slot was lost are missing from the Log; only the operator can choose what follows. */
export function slotLost(slot: string, how: 'missing' | 'invalidated'): InsideoutError {
  return new InsideoutError(
    'SOURCE_SLOT_LOST',
    how === 'missing'
      ? `The slot "${slot}" is gone, and the changes since it was last read are not in the Log.`
      : `The slot "${slot}" was invalidated by Postgres (max_slot_wal_keep_size), and changes are missing from the Log.`,
    {
      hint:
        how === 'missing'
          ? 'Run `insideout source run --resnapshot` to take a new slot and read every table again.'
          : 'Run `insideout slot drop`, then `insideout source run --resnapshot` to read every table again.',
    },
  );
}
