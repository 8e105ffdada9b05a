import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { partitionKey } from '../../core/position.ts';
import type { FencedWriter, Log, LogRecord } from '../../log/log.ts';
import { type Tail, type TailOptions, tail } from '../log/tail.ts';
import type { LogTraits } from './log.ts';

let names = 0;
const fresh = (kind: string): string => `fence.${kind}.${process.pid}.${Date.now().toString(36)}${names++}`;

/** No two have the same key: a cleaner may come at any time. */
const record = (topic: string, value: string | Buffer, partition = 0): LogRecord => ({
  topic,
  partition,
  key: Buffer.from(`k${names++}`),
  value: Buffer.from(value),
  timestamp: 1_700_000_000_000,
});

/** The part of the Log's contract that is about fenced writers and deleted topics. */
export function fencesConformance(name: string, open: () => Promise<Log>, traits: LogTraits): void {
  describe(`${name} keeps the contract of fenced writers and deleted topics`, () => {
    let log: Log;
    const poll = { timeout: traits.patience, interval: 10 };
    beforeAll(async () => {
      log = await open();
    });
    afterAll(async () => {
      await log?.close();
    });

    async function topicWith(partitions = 1, name = fresh('topic')): Promise<string> {
      await log.ensureTopics([{ name, partitions, cleanup: 'compact' }]);
      return name;
    }

    function follow(options: TailOptions, on: Log = log): Tail {
      const followed = tail(on, options);
      onTestFinished(async () => {
        await followed.stop().catch(() => {});
      });
      return followed;
    }

    async function second(): Promise<Log> {
      const other = await open();
      onTestFinished(() => other.close());
      return other;
    }

    async function writerOf(id: string, on: Log = log): Promise<FencedWriter> {
      const writer = await on.fencedWriter(id);
      onTestFinished(() => writer.close());
      return writer;
    }

    const endOf = async (topic: string, on: Log = log) =>
      (await on.offsets([topic])).get(partitionKey(topic, 0))?.end;

    test('fenced appends keep their order, with keys, tombstones, headers and timestamps', async () => {
      const [one, two] = [await topicWith(2), await topicWith()];
      const writer = await writerOf(fresh('id'));
      await writer.append([]);
      for (let i = 0; i < 20; i++)
        await writer.append([
          {
            ...record(one, `${i}`, i % 2),
            key: Buffer.from(`key ${i}`),
            headers: { op: 'u', lsn: Buffer.from('0/1') },
            timestamp: i + 1,
          },
          { ...record(two, ''), value: null },
        ]);
      const t = follow({ topics: [one, two] });
      await expect.poll(() => t.records(two).length, poll).toBe(20);
      for (const partition of [0, 1])
        await expect
          .poll(() => t.values(one, partition).map(Number), poll)
          .toEqual(Array.from({ length: 10 }, (_, i) => 2 * i + partition));
      expect(t.values(two)).toEqual(Array(20).fill(null));
      expect(t.records(one)[1]).toMatchObject({ timestamp: 3 });
      expect(String(t.records(one)[1]?.headers.op)).toBe('u');
      expect(String(t.records(one)[1]?.key)).toBe('key 2');
    });

    test('an append that fails after a part of it was sent is not in the Log at all', async () => {
      const topic = await topicWith();
      const id = fresh('id');
      const writer = await writerOf(id);
      const big = (value: string) => record(topic, value.padEnd(700_000));
      const half = writer.append([big('a'), big('b'), record(fresh('missing'), 'x'), big('c')]);
      await expect(half).rejects.toMatchObject({ code: 'LOG_TOPIC' });
      await expect(writer.append([record(topic, 'd')])).rejects.toMatchObject({ code: 'LOG_TOPIC' });
      await (await writerOf(id)).append([record(topic, 'e')]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic), poll).toEqual(['e']);
    });

    test('a writer whose id was taken over, in another process or this one, lands nothing any more', async () => {
      const topic = await topicWith();
      const id = fresh('id');
      const first = await writerOf(id);
      await first.append([record(topic, '1')]);
      const other = await writerOf(id, await second());
      await expect(first.append([record(topic, 'late')])).rejects.toMatchObject({ code: 'LOG_FENCED' });
      await other.append([record(topic, '2')]);
      await expect(first.append([record(topic, 'late')])).rejects.toMatchObject({ code: 'LOG_FENCED' });
      const third = await writerOf(id);
      await expect(other.append([record(topic, 'late')])).rejects.toMatchObject({ code: 'LOG_FENCED' });
      await third.append([record(topic, '3')]);
      await log.append([record(topic, 'end')]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic).at(-1), poll).toBe('end');
      expect(t.values(topic)).toEqual(['1', '2', '3', 'end']);
    });

    test('an append under way while the id is taken over lands whole before the taker’s, or not at all', async () => {
      const topic = await topicWith();
      const id = fresh('id');
      const landed: string[] = [];
      const size = 300;
      for (let round = 0; round < 8; round++) {
        const before = await log.fencedWriter(id);
        await before.append([record(topic, `${round}.begun`)]);
        landed.push(`${round}.begun`);
        const late = Array.from({ length: size }, (_, i) =>
          record(topic, `${round}.late.${i}`.padEnd(2_000)),
        );
        const under = before.append(late).then(
          () => landed.push(...late.map((r) => String(r.value).trim())),
          () => {},
        );
        const after = await writerOf(id, round % 2 === 0 ? log : await second());
        await under;
        await after.append([record(topic, `${round}.after`)]);
        landed.push(`${round}.after`);
        await before.close();
      }
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic).at(-1), poll).toBe('7.after');
      expect(t.values(topic).map((v) => v?.trim())).toEqual(landed);
    });

    test('writers with different ids do not disturb one another, nor plain appends', async () => {
      const topic = await topicWith(3);
      const writers = [await writerOf(fresh('id')), await writerOf(fresh('id'), await second())];
      for (let i = 0; i < 10; i++)
        await Promise.all([
          ...writers.map((writer, w) => writer.append([record(topic, `${i}`, w), record(topic, `${w}`, 2)])),
          log.append([record(topic, 'plain', 2)]),
        ]);
      const t = follow({ topics: [topic] });
      const numbers = Array.from({ length: 10 }, (_, i) => `${i}`);
      for (const w of [0, 1]) await expect.poll(() => t.values(topic, w), poll).toEqual(numbers);
      await expect.poll(() => t.values(topic, 2).length, poll).toBe(30);
    });

    test('a reader of fenced appends comes to the very end, wherever it starts', async () => {
      const topic = await topicWith();
      const writer = await writerOf(fresh('id'));
      for (let i = 0; i < 5; i++) await writer.append([record(topic, `${i}`), record(topic, `${i}`)]);
      const end = (await endOf(topic)) ?? 0;
      const all = follow({ topics: [topic] });
      await expect.poll(() => all.batches.at(-1)?.next, poll).toBe(end);
      expect(all.batches.at(-1)?.end).toBe(end);
      expect(all.values(topic)).toHaveLength(10);
      for (let from = end - 2; from < end; from++) {
        const t = follow({ topics: [topic], from: { [partitionKey(topic, 0)]: from } });
        await expect.poll(() => t.batches.at(-1)?.next, poll).toBe(end);
        expect(t.records(topic).every((r) => r.offset >= from)).toBe(true);
      }
      const atEnd = follow({ topics: [topic], from: { [partitionKey(topic, 0)]: end } });
      await expect.poll(() => atEnd.held.size, poll).toBe(1);
      await writer.append([record(topic, 'new')]);
      await expect.poll(() => atEnd.values(topic), poll).toEqual(['new']);
      await expect.poll(() => atEnd.batches.at(-1)?.next, poll).toBe(await endOf(topic));
    });

    test('a closed writer appends no more, and the id goes to the next', async () => {
      const topic = await topicWith();
      const id = fresh('id');
      const writer = await writerOf(id);
      await writer.close();
      await writer.close();
      await expect(writer.append([record(topic, 'x')])).rejects.toMatchObject({ code: 'LOG_CLOSED' });
      const closing = await open();
      const left = await closing.fencedWriter(id);
      await closing.close();
      await expect(left.append([record(topic, 'x')])).rejects.toMatchObject({ code: 'LOG_CLOSED' });
      await expect(closing.fencedWriter(id)).rejects.toMatchObject({ code: 'LOG_CLOSED' });
      await (await writerOf(id)).append([record(topic, 'y')]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic), poll).toEqual(['y']);
    });

    test('a deleted topic is gone, and one of the same name begins at offset 0', async () => {
      const [topic, kept] = [await topicWith(2), await topicWith()];
      const other = await second();
      for (const on of [log, other]) {
        await on.append([record(topic, 'old', 0), record(topic, 'old', 1), record(kept, 'kept')]);
        await on.offsets([topic, kept]);
      }
      await log.deleteTopics([topic, fresh('missing')]);
      for (const on of [log, other]) {
        expect(await on.topics()).not.toContain(topic);
        expect([...(await on.partitions([topic, kept])).keys()]).toEqual([kept]);
        expect(await on.offsets([topic, kept])).toEqual(
          new Map([[partitionKey(kept, 0), { first: 0, end: 2 }]]),
        );
      }
      await log.deleteTopics([topic]);
      await topicWith(1, topic);
      expect(await endOf(topic, other)).toBe(0);
      await other.append([record(topic, 'new')]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic), poll).toEqual(['new']);
      expect(t.records(topic)[0]?.offset).toBe(0);
    });

    test('deleting topics ends their readers, and disturbs neither other readers nor other writers', async () => {
      const [topic, kept] = [await topicWith(), await topicWith()];
      const writer = await writerOf(fresh('id'));
      const reader = follow({ topics: [kept] }, await second());
      const ended = follow({ topics: [topic] });
      await writer.append([record(topic, '0'), record(kept, '0')]);
      await log.append([record(topic, '0'), record(kept, '0')]);
      await expect.poll(() => [ended.values(topic).length, reader.values(kept).length], poll).toEqual([2, 2]);
      await log.deleteTopics([topic]);
      await expect(ended.done).rejects.toMatchObject({ code: 'LOG_TOPIC' });
      const next = await topicWith();
      await writer.append([record(kept, '1')]);
      await log.append([record(kept, '2'), record(next, '2')]);
      await expect.poll(() => reader.values(kept), poll).toEqual(['0', '0', '1', '2']);
      expect(reader.revoked).toEqual([]);
    });
  });
}
