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
  for (const record of records) {
    if (record.timestamp < first) first = record.timestamp;
    if (record.timestamp > last) last = record.timestamp;
    bound +=
      recordBound + headerBytes(record.headers).length + record.key.length + (record.value?.length ?? 0);
  }
  let buffer: Buffer = Buffer.allocUnsafeSlow(bound);
  let end = batchHeader;
  for (let i = 0; i < records.length; i++)
    end = writeRecord(buffer, end, { record: records[i]!, offset: i, time: records[i]!.timestamp - first });
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
  { record, offset, time }: { record: LogRecord; offset: number; time: number },
): number {
  const { key, value } = record;
  const headers = headerBytes(record.headers);
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

/** The records of a transaction share their headers, so their bytes are made once for many records. */
const known = new WeakMap<Headers, Buffer>();
const noHeaders = Buffer.from([0]);
let latest: { readonly headers: Headers; readonly bytes: Buffer } | null = null;

function headerBytes(headers: Headers | undefined): Buffer {
  if (headers === undefined) return noHeaders;
  if (latest?.headers === headers) return latest.bytes;
  let bytes = known.get(headers);
  if (bytes === undefined) {
    bytes = encodeHeaders(headers);
    known.set(headers, bytes);
  }
  latest = { headers, bytes };
  return bytes;
}

function encodeHeaders(headers: Headers): Buffer {
  const entries = Object.entries(headers).map(([name, value]) => [
    Buffer.from(name),
    typeof value === 'string' ? Buffer.from(value) : value,
  ]);
  const bound = entries.reduce((sum, [name, value]) => sum + name!.length + value!.length + 10, 5);
  const buffer = Buffer.allocUnsafeSlow(bound);
  let at = writeVarint(buffer, 0, entries.length);
  for (const entry of entries)
    for (const part of entry) {
      at = writeVarint(buffer, at, part.length);
      at += part.copy(buffer, at);
    }
  return buffer.subarray(0, at);
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
