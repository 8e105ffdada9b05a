import { gunzipSync } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import type { Headers, StoredRecord } from '../log.ts';
import type { AbortedTransaction } from './fetch-request.ts';

/** Records of a fetch, and where the next one goes on: past markers and what was given up. */
export interface ReadRecords {
  readonly records: StoredRecord[];
  readonly next: Offset;
}

const batchHeader = 61;
const compressionMask = 0x07;
const transactional = 0x10;
const control = 0x20;

/**
 * Reads record batches of format v2, https://kafka.apache.org/documentation/#recordbatch, from `from` on, and leaves
 * out the records of transactions that were given up. Keys and values are views on the bytes. A batch that is cut
 * off at the end is left to the next fetch. Errors: `LOG_UNREACHABLE` when a checksum is wrong, `LOG_TOPIC` for a
 * format or a compression that is not known.
 */
export function readRecordBatches(
  bytes: Buffer,
  from: Offset,
  aborted: readonly AbortedTransaction[],
): ReadRecords {
  const records: StoredRecord[] = [];
  const transactions = new GivenUp(aborted);
  const headers = new HeadersReader();
  let next = from;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    at = end;
    const base = Number(batch.readBigInt64BE(0));
    const last = base + batch.readInt32BE(23);
    check(batch);
    const attributes = batch.readInt16BE(21);
    const left = transactions.leavesOut(batch, { attributes, base });
    // Also a batch that compaction has emptied takes the reading past its offsets.
    if (last < next) continue;
    next = last + 1;
    if (!left && (attributes & control) === 0)
      readBatch(batch, { attributes, base, from, headers, into: records });
  }
  return { records, next };
}

function check(batch: Buffer): void {
  if (batch[16] !== 2)
    throw new InsideoutError('LOG_TOPIC', `Kafka holds records in the old format ${batch[16]}.`, {
      hint: 'Topics written before Kafka 0.11 cannot be read: copy them into new ones.',
    });
  if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17))
    throw new InsideoutError('LOG_UNREACHABLE', 'Records from Kafka have a wrong checksum.', {
      hint: 'They are read again; if it stays, look at the disks and the network of the brokers.',
    });
}

interface Batch {
  readonly attributes: number;
  readonly base: Offset;
  readonly from: Offset;
  readonly headers: HeadersReader;
  readonly into: StoredRecord[];
}

function readBatch(batch: Buffer, { attributes, base, from, headers, into }: Batch): void {
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
      into.push({ offset, key, value, headers: headers.read(cursor, end), timestamp });
    }
    cursor.at = end;
  }
}

function plain(batch: Buffer, attributes: number): { bytes: Buffer; start: number } {
  const compression = attributes & compressionMask;
  if (compression === 0) return { bytes: batch, start: batchHeader };
  if (compression === 1) return { bytes: gunzipSync(batch.subarray(batchHeader)), start: 0 };
  throw new InsideoutError(
    'LOG_TOPIC',
    `Kafka holds records compressed as ${compressions[compression] ?? compression}, which insideout cannot read.`,
    { hint: 'Have them written with gzip or without compression.' },
  );
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
