import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Kafka } from 'kafkajs';
import { expect, test } from 'vitest';
import { errorOfCode, openCluster } from '../../../log/kafka/kafkajs-cluster.ts';
import { encodeRecordBatch } from '../../../log/kafka/record-batch.ts';
import { readRecordBatches } from '../../../log/kafka/record-batch-reader.ts';
import type { LogRecord } from '../../../log/log.ts';

const require = createRequire(import.meta.url);
const Decoder = require('kafkajs/src/protocol/decoder');
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder');
const crc32C = require('kafkajs/src/protocol/recordBatch/crc32C');

const bytes = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b));
const anyRecord: fc.Arbitrary<LogRecord> = fc.record({
  topic: fc.constant('t'),
  partition: fc.constant(0),
  key: bytes,
  value: fc.option(bytes),
  headers: fc.dictionary(
    fc.stringMatching(/^[a-zé]{1,70}$/).filter((name) => !(name in {})),
    fc.oneof(bytes, fc.string()),
    { maxKeys: 4 },
  ),
  timestamp: fc.oneof(fc.constant(0), fc.nat(), fc.integer({ min: 0, max: 253_402_300_799_999 })),
});

test.each(['none', 'gzip'] as const)(
  'a batch is read by another decoder as the records that went in, with a checksum that is right (%s)',
  async (compression) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRecord, { minLength: 1, maxLength: 200 }),
        fc.nat(2 ** 31 - 1),
        async (records, sequence) => {
          const batch = encodeRecordBatch(
            records,
            { id: 2n ** 62n, epoch: 7, transactionalId: null, sequence },
            compression,
          );
          expect(batch.readUInt32BE(17)).toBe(crc32C(batch.subarray(21)));
          expect(batch.readInt32BE(8)).toBe(batch.length - 12);
          expect(batch.readInt32BE(57)).toBe(records.length);
          const read = await decodeBatch(new Decoder(batch));
          expect(read.producerId).toBe(String(2n ** 62n));
          expect([read.producerEpoch, read.firstSequence, read.lastOffsetDelta]).toEqual([
            7,
            sequence,
            records.length - 1,
          ]);
          const shown = read.records.map((r: Record<string, unknown>) => ({
            key: r.key,
            value: r.value,
            timestamp: Number(r.timestamp),
            offset: Number(r.offset),
            headers: Object.entries(r.headers as Record<string, Buffer>).map(([name, value]) => [
              name,
              value.toString('hex'),
            ]),
          }));
          expect(shown).toEqual(
            records.map((r, i) => ({
              key: r.key,
              value: r.value,
              timestamp: r.timestamp,
              offset: i,
              headers: Object.entries(r.headers ?? {}).map(([name, value]) => [
                name,
                Buffer.from(value as string).toString('hex'),
              ]),
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  },
);

test('kafkajs has below its producer what requests of our own are given to', async () => {
  const cluster = openCluster(new Kafka({ brokers: ['127.0.0.1:1'] }), {
    metadataMaxAge: 1_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
  });
  for (const name of [
    'connect',
    'disconnect',
    'addMultipleTargetTopics',
    'refreshMetadataIfNecessary',
    'findControllerBroker',
    'findBroker',
    'findGroupCoordinator',
    'findTopicPartitionMetadata',
    'findLeaderForPartitions',
  ] as const)
    expect(cluster[name], name).toBeTypeOf('function');
  for (const [part, method] of [
    ['connectionPool', 'map'],
    ['connection', 'rejectRequests'],
  ] as const)
    expect(
      createRequire(import.meta.url)(`kafkajs/src/network/${part}.js`).prototype[method],
      method,
    ).toBeTypeOf('function');
  expect(errorOfCode(6)).toMatchObject({ type: 'NOT_LEADER_FOR_PARTITION', retriable: true });
});

test('what was written is read back from any offset on, and a batch that is cut off is left', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(anyRecord, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 5 }),
      fc.nat(60),
      fc.nat(100),
      fc.integer({ min: 1, max: 50 }),
      (batches, from, cut, portion) => {
        let base = 0;
        const all: LogRecord[] = [];
        const encoded = batches.map((records, i) => {
          const batch = Buffer.from(
            encodeRecordBatch(
              records,
              { id: 1n, epoch: 0, transactionalId: null, sequence: base },
              i % 2 ? 'gzip' : 'none',
            ),
          );
          batch.writeBigInt64BE(BigInt(base), 0);
          base += records.length;
          all.push(...records);
          return batch;
        });
        const bytes = Buffer.concat([
          ...encoded,
          encoded[0]!.subarray(0, Math.min(cut, encoded[0]!.length - 1)),
        ]);
        const start = Math.min(from, base);
        const portions = readRecordBatches(bytes, start, [], portion);
        const records = portions.flatMap((p) => p.records);
        expect(portions.at(-1)?.next ?? start).toBe(base);
        for (const { records, next } of portions) expect(records.at(-1)?.offset).toBe(next - 1);
        for (const { records } of portions.slice(1, -1))
          expect(records.length).toBeGreaterThanOrEqual(portion);
        const comparable = (
          r: Pick<LogRecord, 'key' | 'value' | 'timestamp' | 'headers'>,
          offset: number,
        ) => ({
          offset,
          key: r.key.toString('hex'),
          value: r.value?.toString('hex') ?? null,
          timestamp: r.timestamp,
          headers: Object.entries(r.headers ?? {}).map(([n, v]) => [
            n,
            Buffer.from(v as string).toString('hex'),
          ]),
        });
        expect(records.map((r) => comparable({ ...r, key: r.key! }, r.offset))).toEqual(
          all.map(comparable).slice(start),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('a damaged batch is an error', () => {
  const record: LogRecord = {
    topic: 't',
    partition: 0,
    key: Buffer.from('k'),
    value: Buffer.from('value'),
    timestamp: 1,
  };
  const batch = Buffer.from(
    encodeRecordBatch([record], { id: 1n, epoch: 0, transactionalId: null, sequence: 0 }, 'none'),
  );
  batch[batch.length - 2]! ^= 1;
  expect(() => readRecordBatches(batch, 0, [])).toThrow(/checksum/);
});
