import type { Lsn } from '../../../core/lsn.ts';
import { partitionOf } from '../../../core/partition.ts';
import { ByteWriter } from '../../../log/avro/byte-writer.ts';
import { truncateBytes } from '../../../log/avro/truncate-record.ts';
import type { Headers, LogRecord } from '../../../log/log.ts';
import type { Tuple } from './pgoutput.ts';
import type { PreparedTable } from './tables.ts';

/** What happened to a row: read by a snapshot, created, updated, deleted; or to its table: truncated. */
export type Op = 'r' | 'c' | 'u' | 'd' | 't';

/** Where a record comes from; the same for all records of a transaction. */
export interface Origin {
  readonly lsn: Lsn;
  /** Null in a snapshot. */
  readonly xid: number | null;
  /** Commit time, or that of the snapshot; microseconds since 1970. */
  readonly micros: bigint;
  /** The same, in milliseconds. */
  readonly timestamp: number;
  readonly headers: (op: Op) => Headers;
}

/** Collects encoded records until somebody takes them. */
export class RecordBatch {
  readonly #writer = new ByteWriter();
  #records: LogRecord[] = [];
  #bytes = 0;

  get length(): number {
    return this.#records.length;
  }

  /** Key and value bytes collected so far. */
  get bytes(): number {
    return this.#bytes;
  }

  take(): LogRecord[] {
    const records = this.#records;
    this.#records = [];
    this.#bytes = 0;
    return records;
  }

  upsert(table: PreparedTable, tuple: Tuple, write: { op: 'r' | 'c' | 'u'; origin: Origin }): void {
    const key = table.encoder.key(tuple, this.#writer);
    this.#push(
      table,
      key,
      table.encoder.value(tuple, this.#writer, write.op, write.origin),
      write.origin.headers(write.op),
      write.origin.timestamp,
    );
  }

  tombstone(table: PreparedTable, tuple: Tuple, origin: Origin): void {
    const key = table.encoder.key(tuple, this.#writer);
    const headers = origin.headers('d');
    const told = table.encoder.deleted(tuple, this.#writer, origin);
    if (told) this.#push(table, key, told, headers, origin.timestamp);
    this.#push(table, key, null, headers, origin.timestamp);
  }

  /** The key of a tuple, to compare it with another. */
  key(table: PreparedTable, tuple: Tuple): Buffer {
    return table.encoder.key(tuple, this.#writer);
  }

  /** A record in every partition that deletes the partition's earlier rows. */
  truncate(table: PreparedTable, schemaId: number, origin: Origin): void {
    const framed = truncateBytes(schemaId);
    for (let partition = 0; partition < table.partitions; partition++)
      this.#records.push({
        topic: table.topic,
        partition,
        key: framed,
        value: framed,
        headers: origin.headers('t'),
        timestamp: origin.timestamp,
      });
  }

  #push(table: PreparedTable, key: Buffer, value: Buffer | null, headers: Headers, timestamp: number): void {
    this.#records.push({
      topic: table.topic,
      partition: partitionOf(key, table.partitions),
      key,
      value,
      headers,
      timestamp,
    });
    this.#bytes += key.length + (value === null ? 0 : value.length) + recordOverhead;
  }
}

/** What a record costs beside its bytes: object, headers, and its frame in the Log. */
const recordOverhead = 100;
