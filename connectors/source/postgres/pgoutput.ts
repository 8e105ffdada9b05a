import type { Lsn } from '../../../core/lsn.ts';

/**
 * Reading pgoutput messages (protocol version 1) where they lie: nothing here copies or allocates per row.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** d default (primary key), n nothing, f full, i index. */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** Part of the replica identity; true for all columns when it is full. */
  readonly identity: boolean;
}

export const tag = {
  begin: 0x42,
  commit: 0x43,
  relation: 0x52,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
  type: 0x59,
  origin: 0x4f,
  message: 0x4d,
} as const;

export const tupleNew = 0x4e;
export const tupleKey = 0x4b;
export const tupleOld = 0x4f;

/** `starts` value of a column that is null. */
export const isNull = -1;
/** `starts` value of a column whose TOASTed value did not change and was not sent. */
export const isUnchanged = -2;

/** Where the columns of one tuple lie in a buffer. Reused from row to row. */
export class Tuple {
  source: Buffer = Buffer.alloc(0);
  count = 0;
  starts = new Int32Array(32);
  ends = new Int32Array(32);

  /** Makes room for `columns` and says that so many are there. */
  reset(source: Buffer, columns: number): void {
    if (columns > this.starts.length) {
      this.starts = new Int32Array(columns * 2);
      this.ends = new Int32Array(columns * 2);
    }
    this.source = source;
    this.count = columns;
  }

  /** A column's text, or null for null and unchanged. */
  text(column: number): string | null {
    const start = this.starts[column]!;
    return start < 0 ? null : this.source.toString('utf8', start, this.ends[column]!);
  }

  /** A copy that outlives the buffer. */
  copy(): Tuple {
    const tuple = new Tuple();
    tuple.reset(Buffer.from(this.source), this.count);
    tuple.starts.set(this.starts.subarray(0, this.count));
    tuple.ends.set(this.ends.subarray(0, this.count));
    return tuple;
  }
}

/** Reads TupleData at `at` into `tuple`; returns the position after it. */
export function readTuple(message: Buffer, at: number, tuple: Tuple): number {
  const columns = message.readUInt16BE(at);
  tuple.reset(message, columns);
  let position = at + 2;
  for (let i = 0; i < columns; i++) {
    const kind = message[position++];
    if (kind === 0x74) {
      const length = message.readInt32BE(position);
      position += 4;
      tuple.starts[i] = position;
      position += length;
      tuple.ends[i] = position;
    } else {
      tuple.starts[i] = kind === 0x6e ? isNull : isUnchanged;
      tuple.ends[i] = 0;
    }
  }
  return position;
}

/** Final LSN of the transaction, commit time in microseconds since 1970, and transaction id. */
export function readBegin(message: Buffer): { finalLsn: Lsn; commitMicros: bigint; xid: number } {
  return {
    finalLsn: message.readBigUInt64BE(1),
    commitMicros: message.readBigInt64BE(9) + postgresEpochMicros,
    xid: message.readUInt32BE(17),
  };
}

/** Start of the commit record, and the first byte after it. */
export function readCommit(message: Buffer): { commitLsn: Lsn; endLsn: Lsn } {
  return { commitLsn: message.readBigUInt64BE(2), endLsn: message.readBigUInt64BE(10) };
}

export function readRelation(message: Buffer): Relation {
  let at = 5;
  const text = () => {
    const end = message.indexOf(0, at);
    const value = message.toString('utf8', at, end);
    at = end + 1;
    return value;
  };
  const oid = message.readUInt32BE(1);
  const schema = text() || 'pg_catalog';
  const table = text();
  const replicaIdentity = String.fromCharCode(message[at++]!);
  const columns: RelationColumn[] = [];
  const count = message.readUInt16BE(at);
  at += 2;
  for (let i = 0; i < count; i++) {
    const identity = (message[at++]! & 1) === 1;
    const name = text();
    columns.push({ name, identity, typeOid: message.readUInt32BE(at), typmod: message.readInt32BE(at + 4) });
    at += 8;
  }
  return { oid, schema, table, replicaIdentity, columns };
}

/** Relation oids of a TRUNCATE. */
export function readTruncate(message: Buffer): number[] {
  const count = message.readUInt32BE(1);
  return Array.from({ length: count }, (_, i) => message.readUInt32BE(6 + i * 4));
}

/** Prefix of the logical messages that are barriers. All others are somebody else's. */
export const barrierPrefix = 'insideout';
const barrierBytes = Buffer.from(`${barrierPrefix}\0`);
const prefixStart = 10;
const lengthStart = prefixStart + barrierBytes.length;

/** A barrier's message, with the end of its WAL record; null for everybody else's, which costs a comparison. */
export function readBarrier(message: Buffer): { transactional: boolean; lsn: Lsn; content: Buffer } | null {
  if (message.length < lengthStart + 4) return null;
  if (barrierBytes.compare(message, prefixStart, lengthStart) !== 0) return null;
  const start = lengthStart + 4;
  return {
    transactional: (message[1]! & 1) === 1,
    lsn: message.readBigUInt64BE(2),
    content: message.subarray(start, start + message.readInt32BE(lengthStart)),
  };
}

/** Microseconds from 1970 to 2000, where Postgres counts from. */
const postgresEpochMicros = 946_684_800_000_000n;
