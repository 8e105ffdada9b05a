import type { ErrorCode } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import type { LogRecord } from '../../log/log.ts';
import type { Barrier } from './barriers.ts';

/**
 * A database whose changes are captured. Opening it starts with a snapshot when there is none in the Log yet.
 */
export interface Source {
  /** Prefix of all its topics: `<name>.<schema>.<table>`. */
  readonly name: string;
  /**
   * Fails before anything is created when the database is not fit for capture, or the Log does not take the topics of
   * its tables.
   */
  open(signal: AbortSignal): Promise<ChangeStream>;
}

/**
 * Batches of encoded records in commit order, and the way back for the acknowledgement, side by side so that
 * nobody acknowledges by accident. Iterating applies backpressure: the database is not read further than about
 * one batch ahead. A failure ends the iteration by throwing, once; nothing follows it.
 */
export interface ChangeStream extends AsyncIterable<SourceBatch> {
  /**
   * Everything up to and including this LSN is durable in the Log. Never moves back. Only LSNs that a batch
   * carried may be given.
   */
  acknowledge(lsn: Lsn): void;
  /** Sends the last acknowledgement and disconnects. */
  close(): Promise<void>;
}

export interface SourceBatch {
  readonly records: readonly LogRecord[];
  /**
   * What may be acknowledged once this batch and all before it are durable, and its barriers are passed: the end
   * of the last transaction or barrier that is complete in it, or null when there is none (inside a large
   * transaction, or a snapshot).
   */
  readonly lsn: Lsn | null;
  /** Commit time of the newest transaction in the batch, milliseconds since 1970; null when there is none. */
  readonly committedAt: number | null;
  /** Barriers whose every earlier change is in this batch or one before it, in the order of their LSN. */
  readonly barriers: readonly Barrier[];
}

/** How far the snapshot of a table is. */
export interface SnapshotProgress {
  readonly table: string;
  readonly rows: number;
  /** An estimate; null when there is none. */
  readonly estimatedRows: number | null;
  readonly done: boolean;
}

/** A table of which nothing is captured until an operator acts; it is read again when its source starts after that. */
export interface StoppedTable {
  /** `schema.table`. */
  readonly table: string;
  readonly topic: string;
  /** Why, and what mends it. */
  readonly code: ErrorCode;
  readonly message: string;
  readonly mend: string;
}

/** One thing that was looked at in a source, and how to mend it when it is not well. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  readonly mend: string | null;
}
