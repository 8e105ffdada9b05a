import fc from 'fast-check';
import { expect, test } from 'vitest';
import { requests } from '../../../log/kafka/requests.ts';
import type { LogRecord } from '../../../log/log.ts';

const limit = 10_000;

const records = fc.array(
  fc.record({
    topic: fc.constantFrom('a', 'b'),
    partition: fc.nat(2),
    size: fc.oneof(fc.nat(300), fc.nat(limit)),
    headers: fc.option(fc.constant({ op: 'ü'.repeat(50), raw: Buffer.alloc(400) }), { nil: undefined }),
  }),
  { maxLength: 120 },
);

test('requests hold every record once, in order within its partition, and each partition below the limit', () => {
  fc.assert(
    fc.property(records, (drawn) => {
      const all: LogRecord[] = drawn.map(({ topic, partition, size, headers }, i) => ({
        topic,
        partition,
        key: Buffer.from(String(i)),
        value: Buffer.alloc(size),
        timestamp: 1,
        ...(headers ? { headers } : {}),
      }));
      const sent = new Map<string, number[]>();
      for (const request of requests(all, () => limit)) {
        const inRequest = new Map<string, { bytes: number; count: number }>();
        for (const [name, batch] of request.partitions)
          for (const { key, value, headers } of batch) {
            sent.set(name, [...(sent.get(name) ?? []), Number(key)]);
            const sum = inRequest.get(name) ?? { bytes: 0, count: 0 };
            const bytes = key.length + (value?.length ?? 0) + (headers ? 500 : 0);
            inRequest.set(name, { bytes: sum.bytes + bytes, count: sum.count + 1 });
          }
        for (const { bytes, count } of inRequest.values()) if (count > 1) expect(bytes).toBeLessThan(limit);
      }
      const wanted = new Map<string, number[]>();
      all.forEach(({ topic, partition }, i) => {
        const name = `${topic}/${partition}`;
        wanted.set(name, [...(wanted.get(name) ?? []), i]);
      });
      expect(sent).toEqual(wanted);
    }),
  );
});
