import { InsideoutError } from '../../../core/errors.ts';
import type { Lsn } from '../../../core/lsn.ts';
import { type Barrier, parseContent } from '../barriers.ts';
import type { SourceBatch } from '../source.ts';
import type { Acker } from './acker.ts';
import { originOf } from './origin.ts';
import {
  isUnchanged,
  type Relation,
  readBarrier,
  readBegin,
  readCommit,
  readRelation,
  readTruncate,
  readTuple,
  Tuple,
  tag,
  tupleKey,
  tupleNew,
  tupleOld,
} from './pgoutput.ts';
import type { Origin, RecordBatch } from './record-batch.ts';
import { hasUnchanged } from './table-encoder.ts';
import type { PreparedTable } from './tables.ts';

/** What a message needs before the next one can be read. */
export type Wanted =
  | null
  | { readonly kind: 'relation'; readonly relation: Relation; readonly commitLsn: Lsn }
  | {
      readonly kind: 'row';
      readonly table: PreparedTable;
      readonly tuple: Tuple;
      readonly resume: (row: Tuple | null) => void;
    };

/**
 * Turns pgoutput messages into records, one at a time and without waiting: where something must be fetched
 * first (a new table version, a TOASTed value that was not sent) it says so and the caller feeds it.
 */
export class TransactionReader {
  readonly #batch: RecordBatch;
  readonly #acker: Acker;
  readonly #truncate: 'propagate' | 'ignore';
  readonly #tables = new Map<number, PreparedTable>();
  readonly #old = new Tuple();
  readonly #new = new Tuple();
  #truncateSchemaId = 0;
  #origin: Origin | null = null;
  /** Of the transaction that is arriving. */
  #commitLsn: Lsn = 0n;
  #records = 0;
  /** Barriers of the transaction that is arriving, which count at its commit. */
  #held: Omit<Barrier, 'lsn'>[] = [];
  #barriers: Barrier[] = [];
  #completeLsn: Lsn | null = null;
  #committedAt: number | null = null;

  constructor(batch: RecordBatch, acker: Acker, truncate: 'propagate' | 'ignore') {
    this.#batch = batch;
    this.#acker = acker;
    this.#truncate = truncate;
  }

  /** Answers a wanted relation. */
  define(oid: number, table: PreparedTable, truncateSchemaId: number): void {
    this.#tables.set(oid, table);
    this.#truncateSchemaId = truncateSchemaId;
  }

  /** End of the last whole transaction or barrier since the last call, the commit time, and the barriers. */
  takeProgress(): Pick<SourceBatch, 'lsn' | 'committedAt' | 'barriers'> {
    const progress = { lsn: this.#completeLsn, committedAt: this.#committedAt, barriers: this.#barriers };
    this.#barriers = [];
    this.#completeLsn = null;
    this.#committedAt = null;
    return progress;
  }

  /** True when a transaction became whole, or a barrier came, since the last `takeProgress`, with or without records left of it. */
  get hasProgress(): boolean {
    return this.#completeLsn !== null;
  }

  /** Reads one message; the buffer is not kept. */
  read(message: Buffer): Wanted {
    switch (message[0]) {
      case tag.insert:
        return this.#insert(message);
      case tag.update:
        return this.#update(message);
      case tag.delete:
        return this.#delete(message);
      case tag.begin: {
        const { finalLsn, commitMicros, xid } = readBegin(message);
        this.#origin = originOf({ lsn: finalLsn, xid, micros: commitMicros });
        this.#commitLsn = finalLsn;
        this.#records = 0;
        this.#held = [];
        this.#acker.began();
        return null;
      }
      case tag.commit: {
        const { endLsn } = readCommit(message);
        const matters = this.#records > 0 || this.#held.length > 0;
        this.#acker.committed(endLsn, matters);
        if (matters) this.#completeLsn = endLsn;
        if (this.#records > 0) this.#committedAt = this.#origin?.timestamp ?? null;
        for (const barrier of this.#held) this.#barriers.push({ ...barrier, lsn: endLsn });
        this.#held = [];
        return null;
      }
      case tag.message:
        this.#message(message);
        return null;
      case tag.relation:
        return { kind: 'relation', relation: readRelation(message), commitLsn: this.#commitLsn };
      case tag.truncate: {
        if (this.#truncate === 'ignore') return null;
        for (const oid of readTruncate(message)) {
          const table = this.#tables.get(oid);
          if (!table || table.stopped) continue;
          this.#batch.truncate(table, this.#truncateSchemaId, this.#transaction());
          this.#records++;
        }
        return null;
      }
      default:
        return null;
    }
  }

  #message(message: Buffer): void {
    const found = readBarrier(message);
    const barrier = found && parseContent(found.content);
    if (!barrier) return;
    if (found.transactional) {
      this.#held.push(barrier);
      return;
    }
    // Between transactions, since the server sends each whole at its commit: all earlier commits came before.
    this.#barriers.push({ ...barrier, lsn: found.lsn });
    this.#completeLsn = found.lsn;
    this.#acker.marked(found.lsn);
  }

  #insert(message: Buffer): Wanted {
    const table = this.#table(message);
    if (table.stopped) return null;
    readTuple(message, 6, this.#new);
    this.#batch.upsert(table, this.#new, { op: 'c', origin: this.#transaction() });
    this.#records++;
    return null;
  }

  #update(message: Buffer): Wanted {
    const table = this.#table(message);
    if (table.stopped) return null;
    const origin = this.#transaction();
    const before = message[5];
    let at = 5;
    if (before === tupleKey || before === tupleOld) at = readTuple(message, 6, this.#old);
    if (message[at] !== tupleNew) throw malformed('an update without its new row');
    readTuple(message, at + 1, this.#new);
    this.#records++;
    if (before === tupleKey || before === tupleOld) {
      const row = hasUnchanged(this.#new)
        ? completedFrom(this.#old, this.#new, before === tupleOld, table)
        : this.#new;
      // Both are views on the writer's slab and stay as they are when more is written.
      const oldKey = this.#batch.key(table, this.#old);
      const newKey = this.#batch.key(table, row);
      if (oldKey.equals(newKey)) return this.#upsert(table, row, { op: 'u', origin });
      this.#batch.tombstone(table, this.#old, origin);
      return this.#upsert(table, row, { op: 'c', origin });
    }
    return this.#upsert(table, this.#new, { op: 'u', origin });
  }

  #upsert(table: PreparedTable, tuple: Tuple, write: { op: 'c' | 'u'; origin: Origin }): Wanted {
    if (!hasUnchanged(tuple)) {
      this.#batch.upsert(table, tuple, write);
      return null;
    }
    return {
      kind: 'row',
      table,
      tuple: tuple.copy(),
      // A row that is gone by now has its delete further on in the stream, so this version may be left out.
      resume: (row) => row && this.#batch.upsert(table, row, write),
    };
  }

  #delete(message: Buffer): Wanted {
    const table = this.#table(message);
    if (table.stopped) return null;
    readTuple(message, 6, this.#old);
    this.#batch.tombstone(table, this.#old, this.#transaction());
    this.#records++;
    return null;
  }

  #table(message: Buffer): PreparedTable {
    const table = this.#tables.get(message.readUInt32BE(1));
    if (!table) throw malformed('a row of a table that was not described');
    return table;
  }

  #transaction(): Origin {
    if (!this.#origin) throw malformed('a row outside a transaction');
    return this.#origin;
  }
}

/** The new row with unchanged values taken from the old one, where the old one holds them. */
function completedFrom(old: Tuple, next: Tuple, full: boolean, table: PreparedTable): Tuple {
  const row = new Tuple();
  const source = next.source;
  row.reset(source, next.count);
  for (let i = 0; i < next.count; i++) {
    const fromOld = next.starts[i] === isUnchanged && (full || table.encoder.columns[i]!.key);
    // Old and new tuple lie in the same message, so positions of either are valid in the one buffer.
    row.starts[i] = fromOld ? old.starts[i]! : next.starts[i]!;
    row.ends[i] = fromOld ? old.ends[i]! : next.ends[i]!;
  }
  return row;
}

function malformed(what: string): InsideoutError {
  return new InsideoutError('SOURCE_PROTOCOL', `Postgres sent ${what}.`, {
    hint: 'Please report this with the version of Postgres and of its output plugin.',
  });
}
