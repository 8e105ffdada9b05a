import { gzipSync } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import type { Headers, LogRecord } from '../log.ts';

/** Who writes, as the brokers know it. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
  /** Null for a producer that is only idempotent. */
  readonly transactionalId: string | null;
}

/** Who writes a batch, and which of its writes it is, by which a broker knows a repetition. */
export interface BatchWriter extends ProducerIdentity {
  /** Sequence number of the batch's first record in its partition. */
  readonly sequence: number;
}

/** Bytes before the first record. */
const batchHeader = 61;
const gzipAttribute = 1;
const transactionalAttribute = 1 << 4;

/**
 * Encodes records of one partition as a record batch, format v2, in one pass over one buffer:
 * https://kafka.apache.org/documentation/#recordbatch
 */
export function encodeRecordBatch(
  records: readonly LogRecord[],
  producer: BatchWriter,
  compression: 'none' | 'gzip',
): Buffer {
  let first = records[0]!.timestamp;
  let last = first;
  let bound = batchHeader;
  const headers = new HeaderBytes();
  for (const record of records) {
    if (record.timestamp < first) first = record.timestamp;
    if (record.timestamp > last) last = record.timestamp;
    bound +=
      recordBound + headers.of(record.headers).length + record.key.length + (record.value?.length ?? 0);
  }
  let buffer: Buffer = Buffer.allocUnsafe(bound);
  let end = batchHeader;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    const place = { offset: i, time: record.timestamp - first, headers: headers.of(record.headers) };
    end = writeRecord(buffer, end, record, place);
  }
  if (compression === 'gzip') {
    const packed = gzipSync(buffer.subarray(batchHeader, end));
    buffer = Buffer.concat([buffer.subarray(0, batchHeader), packed]);
    end = buffer.length;
  }
  buffer.writeBigInt64BE(0n, 0);
  buffer.writeInt32BE(end - 12, 8);
  buffer.writeInt32BE(-1, 12);
  buffer[16] = 2;
  const transactional = producer.transactionalId === null ? 0 : transactionalAttribute;
  buffer.writeInt16BE(transactional | (compression === 'gzip' ? gzipAttribute : 0), 21);
  buffer.writeInt32BE(records.length - 1, 23);
  buffer.writeBigInt64BE(BigInt(first), 27);
  buffer.writeBigInt64BE(BigInt(last), 35);
  buffer.writeBigInt64BE(producer.id, 43);
  buffer.writeInt16BE(producer.epoch, 51);
  buffer.writeInt32BE(producer.sequence, 53);
  buffer.writeInt32BE(records.length, 57);
  buffer.writeUInt32BE(crc32c(buffer.subarray(21, end)), 17);
  return buffer.subarray(0, end);
}

/** At most what a record adds to its key, value and headers: five numbers of up to five bytes, one of up to ten. */
const recordBound = 36;

function writeRecord(
  buffer: Buffer,
  start: number,
  { key, value }: LogRecord,
  { offset, time, headers }: { offset: number; time: number; headers: Buffer },
): number {
  const size =
    1 +
    sizeOfVarint(time) +
    sizeOfVarint(offset) +
    sizeOfVarint(key.length) +
    key.length +
    (value === null ? 1 : sizeOfVarint(value.length) + value.length) +
    headers.length;
  let at = writeVarint(buffer, start, size);
  buffer[at++] = 0;
  at = writeVarint(buffer, at, time);
  at = writeVarint(buffer, at, offset);
  at = writeVarint(buffer, at, key.length);
  at += key.copy(buffer, at);
  if (value === null) at = writeVarint(buffer, at, -1);
  else {
    at = writeVarint(buffer, at, value.length);
    at += value.copy(buffer, at);
  }
  return at + headers.copy(buffer, at);
}

const noHeaders = Buffer.from([0]);

/** Headers as bytes. The records of a transaction share their headers, so they are made once for many records. */
class HeaderBytes {
  readonly #made = new Map<Headers, Buffer>();
  #latest: { readonly headers: Headers; readonly bytes: Buffer } | null = null;

  of(headers: Headers | undefined): Buffer {
    if (headers === undefined) return noHeaders;
    if (this.#latest?.headers === headers) return this.#latest.bytes;
    let bytes = this.#made.get(headers);
    if (bytes === undefined) {
      bytes = encodeHeaders(headers);
      this.#made.set(headers, bytes);
    }
    this.#latest = { headers, bytes };
    return bytes;
  }
}

function encodeHeaders(headers: Headers): Buffer {
  const names = Object.keys(headers);
  const buffer = Buffer.allocUnsafe(5 + headerBytesAtMost(headers));
  let at = writeVarint(buffer, 0, names.length);
  for (const name of names) at = writeSized(buffer, writeSized(buffer, at, name), headers[name]!);
  return buffer.subarray(0, at);
}

/** What headers take in a batch, beside their number. */
export function headerBytesAtMost(headers: Headers | undefined): number {
  let sum = 0;
  for (const name in headers) {
    const value = headers[name]!;
    sum += headerBound + 3 * name.length + (typeof value === 'string' ? 3 * value.length : value.length);
  }
  return sum;
}

/** At most what a header adds to its name and value: two numbers of up to five bytes. */
const headerBound = 10;

/** A name or a value after its length. */
function writeSized(buffer: Buffer, start: number, value: string | Buffer): number {
  const isText = typeof value === 'string';
  const at = writeVarint(buffer, start, isText ? Buffer.byteLength(value) : value.length);
  return at + (isText ? buffer.write(value, at) : value.copy(buffer, at));
}

/** Zigzag, seven bits a byte. Times may go beyond 32 bits, so beyond those it is arithmetic. */
function writeVarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  if (value >= -0x4000_0000 && value < 0x4000_0000) {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    return at;
  }
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  while (rest > 0x7f) {
    buffer[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  buffer[at++] = rest;
  return at;
}

function sizeOfVarint(value: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  for (; rest > 0x7f; size++) rest = Math.floor(rest / 128);
  return size;
}
