import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { murmur2, partitionOf } from '../../core/partition.ts';

const require = createRequire(import.meta.url);
const kafkaMurmur2: (key: Buffer) => number = require('kafkajs/src/producer/partitioners/default/murmur2.js');

test('keys go where the Java client and kafkajs would put them', () => {
  // Values of Kafka's own UtilsTest.
  expect(murmur2(Buffer.from('21'))).toBe(-973932308);
  expect(murmur2(Buffer.from('foobar'))).toBe(-790332482);
  expect(murmur2(Buffer.from('a-little-bit-long-string'))).toBe(-985981536);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (key) => {
      expect(murmur2(key)).toBe(kafkaMurmur2(Buffer.from(key)));
    }),
  );
});

test('every key has a partition in range', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 500 }), (key, partitions) => {
      const partition = partitionOf(key, partitions);
      expect(partition).toBeGreaterThanOrEqual(0);
      expect(partition).toBeLessThan(partitions);
    }),
  );
});
