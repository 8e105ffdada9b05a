import { gunzipSync } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import type { Headers, StoredRecord } from '../log.ts';
import type { AbortedTransaction } from './fetch-request.ts';

/** Some records of a fetch, and where the next ones go on: past markers and what was given up. */
export interface ReadRecords {
  /** Made when they are first asked for: what only waits would be in the garbage collector's way. */
  readonly records: readonly StoredRecord[];
  readonly next: Offset;
}

const portionRecords = 2_000;

const batchHeader = 61;
const compressionMask = 0x07;
const gzip = 1;
const transactional = 0x10;
const control = 0x20;

/**
 * Reads record batches of format v2, https://kafka.apache.org/documentation/#recordbatch, from `from` on, in portions,
 * and leaves out the records of transactions that were given up. Keys and values are views on the bytes. A batch that
 * is cut off at the end is left to the next fetch. Errors: `LOG_UNREACHABLE` when a checksum is wrong, `LOG_TOPIC` for a
 * format or a compression that is not known.
 */
export function readRecordBatches(
  bytes: Buffer,
  from: Offset,
  aborted: readonly AbortedTransaction[],
  portion = portionRecords,
): ReadRecords[] {
  const portions: Portion[] = [];
  let open: Portion | null = null;
  const transactions = new GivenUp(aborted);
  let next = from;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    at = end;
    const base = Number(batch.readBigInt64BE(0));
    const last = base + batch.readInt32BE(23);
    const attributes = batch.readInt16BE(21);
    check(batch, attributes & compressionMask);
    const left = transactions.leavesOut(batch, { attributes, base });
    // Also a batch that compaction has emptied takes the reading past its offsets.
    if (last < next) continue;
    next = last + 1;
    if (!open) {
      open = new Portion(from);
      portions.push(open);
    }
    open.add(!left && (attributes & control) === 0 ? { batch, attributes, base } : null, next);
    if (open.count >= portion) open = null;
  }
  return portions;
}

function check(batch: Buffer, compression: number): void {
  if (batch[16] !== 2)
    throw new InsideoutError('LOG_TOPIC', `Kafka holds records in the old format ${batch[16]}.`, {
      hint: 'Topics written before Kafka 0.11 cannot be read: copy them into new ones.',
    });
  if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17))
    throw new InsideoutError('LOG_UNREACHABLE', 'Records from Kafka have a wrong checksum.', {
      hint: 'They are read again; if it stays, look at the disks and the network of the brokers.',
    });
  if (compression > gzip)
    throw new InsideoutError(
      'LOG_TOPIC',
      `Kafka holds records compressed as ${compressions[compression] ?? compression}, which insideout cannot read.`,
      { hint: 'Have them written with gzip or without compression.' },
    );
}

interface Batch {
  readonly batch: Buffer;
  readonly attributes: number;
  readonly base: Offset;
}

class Portion implements ReadRecords {
  readonly #from: Offset;
  readonly #batches: Batch[] = [];
  #records: StoredRecord[] | null = null;
  next: Offset;
  count = 0;

  constructor(from: Offset) {
    this.#from = from;
    this.next = from;
  }

  /** Null for a batch that is left out. */
  add(batch: Batch | null, next: Offset): void {
    this.next = next;
    if (!batch) return;
    this.#batches.push(batch);
    this.count += batch.batch.readInt32BE(57);
  }

  get records(): readonly StoredRecord[] {
    this.#records ??= readAll(this.#batches, this.#from);
    return this.#records;
  }
}

function readAll(batches: readonly Batch[], from: Offset): StoredRecord[] {
  const headers = new HeadersReader();
  const records: StoredRecord[] = [];
  for (const { batch, attributes, base } of batches) {
    const time = Number(batch.readBigInt64BE(27));
    const count = batch.readInt32BE(57);
    const body = plain(batch, attributes);
    const cursor: Cursor = { bytes: body.bytes, at: body.start };
    for (let i = 0; i < count; i++) {
      const size = varint(cursor);
      const end = cursor.at + size;
      cursor.at++;
      const timestamp = time + varint(cursor);
      const offset = base + varint(cursor);
      if (offset >= from) {
        const key = bytesOf(cursor);
        const value = bytesOf(cursor);
        records.push({ offset, key, value, headers: headers.read(cursor, end), timestamp });
      }
      cursor.at = end;
    }
  }
  return records;
}

function plain(batch: Buffer, attributes: number): { bytes: Buffer; start: number } {
  return (attributes & compressionMask) === gzip
    ? { bytes: gunzipSync(batch.subarray(batchHeader)), start: 0 }
    : { bytes: batch, start: batchHeader };
}

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** Which batches belong to transactions that were given up: from the first of one to its marker. */
class GivenUp {
  readonly #waiting: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = [...aborted].sort((a, b) => a.first - b.first);
  }

  leavesOut(batch: Buffer, { attributes, base }: { attributes: number; base: Offset }): boolean {
    if ((attributes & transactional) === 0 || this.#waiting.length + this.#open.size === 0) return false;
    const last = base + batch.readInt32BE(23);
    while (this.#waiting[0] && this.#waiting[0].first <= last)
      this.#open.add(this.#waiting.shift()!.producerId);
    const producer = batch.readBigInt64BE(43);
    if (!this.#open.has(producer)) return false;
    if ((attributes & control) !== 0) this.#open.delete(producer);
    return true;
  }
}

/** The records of a transaction have the same headers, so those that look like the ones before are the ones before. */
class HeadersReader {
  #bytes: Buffer = Buffer.alloc(0);
  #headers: Headers = none;

  read(cursor: Cursor, end: number): Headers {
    const { bytes, at } = cursor;
    if (bytes[at] === 0) return none;
    const length = end - at;
    if (length === this.#bytes.length && bytes.compare(this.#bytes, 0, length, at, end) === 0)
      return this.#headers;
    const headers: Record<string, Buffer> = {};
    for (let count = varint(cursor); count > 0; count--) {
      const name = bytesOf(cursor)!.toString('utf8');
      headers[name] = bytesOf(cursor) ?? empty;
    }
    this.#bytes = bytes.subarray(at, end);
    this.#headers = headers;
    return headers;
  }
}

const none: Headers = {};
const empty = Buffer.alloc(0);

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function bytesOf(cursor: Cursor): Buffer | null {
  const length = varint(cursor);
  if (length < 0) return null;
  const start = cursor.at;
  cursor.at = start + length;
  return cursor.bytes.subarray(start, start + length);
}

/** Zigzag, seven bits a byte. */
function varint(cursor: Cursor): number {
  const { bytes } = cursor;
  let byte = bytes[cursor.at++]!;
  let value = byte & 0x7f;
  let shift = 7;
  while (byte > 0x7f && shift < 28) {
    byte = bytes[cursor.at++]!;
    value |= (byte & 0x7f) << shift;
    shift += 7;
  }
  if (byte <= 0x7f) return (value >>> 1) ^ -(value & 1);
  let large = value;
  let scale = 2 ** shift;
  while (byte > 0x7f) {
    byte = bytes[cursor.at++]!;
    large += (byte & 0x7f) * scale;
    scale *= 128;
  }
  return large % 2 === 0 ? large / 2 : -(large + 1) / 2;
}
