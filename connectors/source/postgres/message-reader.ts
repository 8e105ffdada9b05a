import type pg from 'pg';
import type { Lsn } from '../../../core/lsn.ts';
import type { SourceBatch } from '../source.ts';
import type { Acker } from './acker.ts';
import type { PostgresSourceOptions } from './options.ts';
import type { Relation } from './pgoutput.ts';
import { RecordBatch } from './record-batch.ts';
import { ReplicationStream } from './replication-stream.ts';
import { reselect } from './reselect.ts';
import type { PreparedTable } from './tables.ts';
import { TransactionReader, type Wanted } from './transaction-reader.ts';

/** Records and bytes that may wait for the consumer before the socket is paused. */
const maxRecords = 10_000;
const maxBytes = 4 << 20;
/** After less than this there is no hurry: it leaves, and what comes next is read together. */
const fewRecords = 64;
const fewBytes = 16 << 10;

export interface ReaderParts {
  /** What may be confirmed to Postgres now. */
  confirmed(): Lsn;
  /** These are fetched while messages are held back. */
  prepare(relation: Relation, commitLsn: Lsn): Promise<{ table: PreparedTable; truncateSchemaId: number }>;
  lookup(): Promise<pg.Client>;
}

/**
 * Reads the replication stream into batches. Messages are turned into records inside the socket's own event,
 * while their bytes are valid; the consumer takes whatever has gathered. So batches grow by themselves when the
 * Log is slower than Postgres, and stay small, hence quick, when it is faster.
 */
export class MessageReader {
  readonly #batch = new RecordBatch();
  readonly #transactions: TransactionReader;
  readonly #acker: Acker;
  readonly #stream: ReplicationStream;
  readonly #parts: ReaderParts;
  readonly #slot: string;
  /** Messages that arrived while something had to be fetched; at most one socket chunk of them. */
  #heldBack: Buffer[] = [];
  #heldKeepalive: Lsn | null = null;
  #blocked = false;
  #paused = false;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(options: PostgresSourceOptions, acker: Acker, parts: ReaderParts) {
    this.#acker = acker;
    this.#parts = parts;
    this.#slot = options.slot;
    this.#transactions = new TransactionReader(this.#batch, acker, options.truncate ?? 'propagate');
    this.#stream = new ReplicationStream(options, {
      message: (message) => this.#receive(message),
      keepalive: (walEnd) => this.#keepalive(walEnd),
      confirmed: () => parts.confirmed(),
      ended: (error) => this.fail(error),
    });
  }

  async *batches(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const onAbort = () => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    try {
      await this.#stream.start(this.#slot);
      while (!signal.aborted) {
        if (!this.#ready()) {
          // The failure comes last: what was read before it is whole and may be appended.
          if (this.#failure) throw this.#failure.error;
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = null;
          continue;
        }
        const progress = this.#transactions.takeProgress();
        const records = this.#batch.take();
        this.#resumeWhenRoomy();
        yield { records, ...progress };
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  /**
   * A keepalive that overtook messages held back would confirm them unread; so it waits with them. It must not
   * be dropped: an idle server sends no other.
   */
  #keepalive(walEnd: Lsn): void {
    if (this.#blocked) this.#heldKeepalive = walEnd;
    else this.#acker.keepalive(walEnd);
  }

  #receive(message: Buffer): void {
    if (this.#failure) return;
    if (this.#blocked) this.#heldBack.push(Buffer.from(message));
    else this.#read(message);
  }

  #read(message: Buffer): void {
    try {
      const wanted = this.#transactions.read(message);
      if (wanted) this.#fetch(wanted);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.#batch.length >= maxRecords || this.#batch.bytes >= maxBytes) this.#pause();
    if (this.#ready()) this.#notify();
  }

  #fetch(wanted: NonNullable<Wanted>): void {
    this.#blocked = true;
    this.#pause();
    const answer =
      wanted.kind === 'relation'
        ? this.#parts
            .prepare(wanted.relation, wanted.commitLsn)
            .then(({ table, truncateSchemaId }) =>
              this.#transactions.define(wanted.relation.oid, table, truncateSchemaId),
            )
        : this.#parts
            .lookup()
            .then((client) => reselect(client, wanted.table, wanted.tuple))
            .then(wanted.resume);
    answer.then(
      () => this.#readHeldBack(),
      (error: unknown) => this.fail(error),
    );
  }

  #readHeldBack(): void {
    this.#blocked = false;
    let next = 0;
    while (next < this.#heldBack.length && !this.#blocked && !this.#failure)
      this.#read(this.#heldBack[next++]!);
    this.#heldBack = this.#heldBack.slice(next);
    if (!this.#blocked && this.#heldKeepalive !== null) {
      this.#acker.keepalive(this.#heldKeepalive);
      this.#heldKeepalive = null;
    }
    if (this.#ready()) this.#notify();
    this.#resumeWhenRoomy();
  }

  #ready(): boolean {
    return this.#batch.length > 0 || this.#transactions.hasProgress;
  }

  #pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  #resumeWhenRoomy(): void {
    if (!this.#paused || this.#blocked || this.#batch.length >= maxRecords || this.#batch.bytes >= maxBytes)
      return;
    this.#paused = false;
    this.#stream.resume();
  }

  /** Wakes the consumer after the current socket chunk, so that it takes all of the chunk at once. */
  #notify(): void {
    const wake = this.#wake;
    if (!wake) return;
    this.#wake = null;
    setImmediate(() => {
      if (this.#batch.length < fewRecords && this.#batch.bytes < fewBytes) this.#stream.rest();
      wake();
    });
  }

  /** Ends the batches with this error, unless another was first. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
}
