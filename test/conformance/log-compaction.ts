import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { partitionKey } from '../../core/position.ts';
import type { Log, LogRecord } from '../../log/log.ts';
import { readToEnd } from '../../log/read-to-end.ts';
import { countSuperseded } from '../../log/superseded.ts';
import { tail } from '../log/tail.ts';
import type { LogTraits } from './log.ts';

let names = 0;
const fresh = (): string => `conf.compact.${process.pid}.${Date.now().toString(36)}${names++}`;

/** The contract of compaction on demand, as tests that every Log passes. */
export function compactionConformance(name: string, open: () => Promise<Log>, traits: LogTraits): void {
  describe(`${name} compacts when it is told to`, () => {
    const poll = { timeout: traits.patience, interval: 10 };
    const never = new AbortController().signal;
    let log: Log;
    beforeAll(async () => {
      log = await open();
    });
    afterAll(async () => {
      await log?.close();
    });

    async function topicWith(partitions = 1): Promise<string> {
      const topic = fresh();
      await log.ensureTopics([{ name: topic, partitions, cleanup: 'compact' }]);
      return topic;
    }

    // Just written, as most of what must be erased is not: the youngest case is the hardest.
    const record = (topic: string, key: string, value: string | null, partition = 0): LogRecord => ({
      topic,
      partition,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestamp: Date.now(),
    });

    async function read(topic: string): Promise<string[]> {
      const found: string[] = [];
      for await (const { partition, records } of readToEnd(log, [topic]))
        for (const { key, value } of records)
          found.push(`${partition} ${key?.toString()} ${value?.toString() ?? null}`);
      return found.sort((a, b) => Number(a[0]) - Number(b[0]));
    }

    test('no record is left of which there was a newer one, and the newest are left in their order', async () => {
      const [topic, other] = [await topicWith(2), await topicWith()];
      for (const round of [1, 2, 3])
        await log.append(
          ['c', 'a', 'b'].map((key) => record(topic, key, `${key}${round}`, key === 'b' ? 1 : 0)),
        );
      await log.append([record(topic, 'a', null), record(topic, 'once', '1', 1)]);
      await log.append([record(other, 'x', '1'), record(other, 'x', '2')]);
      const left: number[] = [];
      await log.compact([topic], { signal: never, onProgress: (n) => left.push(n) });
      expect(await read(topic)).toEqual(['0 c c3', '0 a null', '1 b b3', '1 once 1']);
      expect(left.at(-1)).toBe(0);
      expect(await read(other)).toEqual(['0 x 1', '0 x 2']);
      // There is nothing to do, and nothing is done.
      const ends = await log.offsets([topic]);
      await log.compact([topic], { signal: never });
      expect(await log.offsets([topic])).toEqual(ends);
    }, 90_000);

    test('appends meanwhile survive in order, and a reader in the middle goes on', async () => {
      const topic = await topicWith();
      const old = Array.from({ length: 100 }, (_, n) => record(topic, `k${n % 10}`, `old ${n}`));
      await log.append(old);
      let goOn = () => {};
      const held = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const reader = tail(log, { topics: [topic], from: { [partitionKey(topic, 0)]: 50 }, work: () => held });
      onTestFinished(() => reader.stop().catch(() => {}));
      await expect.poll(() => reader.batches.length, poll).toBe(1);
      const ends = new Map([...(await log.offsets([topic]))].map(([key, { end }]) => [key, end]));
      let done = false;
      const compaction = log.compact([topic], { signal: never }).finally(() => {
        done = true;
      });
      const wanted: string[] = [];
      for (let n = 0; !done || n < 20; n++) {
        // The same keys are overwritten all the time, and each record of a key of its own must stay.
        wanted.push(`own ${n}`);
        await log.append([record(topic, `k${n % 10}`, `new ${n}`), record(topic, `own${n}`, `own ${n}`)]);
        if (n === 10) goOn();
      }
      await compaction;
      const below = (await countSuperseded(log, [topic], { below: ends, signal: never })).size;
      expect(below).toBe(0);
      const own = (values: readonly (string | null)[]) => values.filter((value) => value?.startsWith('own'));
      await expect.poll(() => own(reader.values(topic)).length, poll).toBe(wanted.length);
      expect(own(reader.values(topic))).toEqual(wanted);
      const offsets = reader.records(topic).map((r) => r.offset);
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
      const now = await read(topic);
      expect(
        now.filter((line) => line.includes(' own')).map((line) => line.split(' ').slice(2).join(' ')),
      ).toEqual(wanted);
    }, 90_000);

    test('a topic that is not compacted, or not there, is refused', async () => {
      const topic = fresh();
      await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: -1 }]);
      for (const name of [topic, fresh()])
        await expect(log.compact([name], { signal: never })).rejects.toMatchObject({ code: 'LOG_TOPIC' });
    });

    test('an abort gives it up with the signal’s reason', async () => {
      const topic = await topicWith();
      await log.append([record(topic, 'a', '1'), record(topic, 'a', '2')]);
      const reason = new Error('no longer wanted');
      await expect(log.compact([topic], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(await read(topic)).toEqual(['0 a 1', '0 a 2']);
    });

    test('how long tombstones stay is told of every compacted topic', async () => {
      const topic = await topicWith();
      const retention = await log.tombstoneRetention([topic, fresh()]);
      expect(retention).toEqual(new Map([[topic, 24 * 3_600_000]]));
    });

    test('after closing, it is refused', async () => {
      const topic = await topicWith();
      const closed = await open();
      await closed.close();
      await expect(closed.compact([topic], { signal: never })).rejects.toMatchObject({ code: 'LOG_CLOSED' });
    });
  });
}
