import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { partitionKey } from '../../core/position.ts';
import type { Log, LogRecord, TopicSpec } from '../../log/log.ts';
import { partitionsHeld, type Tail, type TailOptions, tail } from '../log/tail.ts';

/** Traits in which Logs may differ. */
export interface LogTraits {
  /** How long a test waits for what must come, milliseconds. */
  readonly patience: number;
}

let names = 0;
const fresh = (kind: string): string => `conf.${kind}.${process.pid}.${Date.now().toString(36)}${names++}`;

const record = (topic: string, key: string, value: string | Buffer | null, partition = 0): LogRecord => ({
  topic,
  partition,
  key: Buffer.from(key),
  value: typeof value === 'string' ? Buffer.from(value) : value,
  timestamp: 1_700_000_000_000,
});

const rowSchema = (fields: object[]) => ({ type: 'record', name: 'row', fields });
const id = { name: 'id', type: 'long' };

/** The contract of the Log, as tests that every implementation passes. `open` opens the same Log each time. */
export function logConformance(name: string, open: () => Promise<Log>, traits: LogTraits): void {
  describe(`${name} keeps the contract of the Log`, () => {
    let log: Log;
    const poll = { timeout: traits.patience, interval: 10 };
    beforeAll(async () => {
      log = await open();
    });
    afterAll(async () => {
      await log?.close();
    });

    async function topicWith(spec: Partial<TopicSpec> = {}): Promise<string> {
      const topic = fresh('topic');
      await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact', ...spec }]);
      return topic;
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

    test('records keep their order in a partition through many overlapping appends', async () => {
      const topic = await topicWith({ partitions: 3 });
      const wanted: string[][] = [[], [], []];
      const appends: Promise<void>[] = [];
      for (let call = 0; call < 200; call++) {
        const records = Array.from({ length: 1 + (call % 7) }, (_, i) => {
          const partition = (call + i) % 3;
          wanted[partition]!.push(`${call}.${i}`);
          return record(topic, `k${i}`, `${call}.${i}`, partition);
        });
        appends.push(log.append(records));
        if (call % 20 === 0) await appends[call];
      }
      await Promise.all(appends);
      const t = follow({ topics: [topic] });
      for (const partition of [0, 1, 2])
        await expect.poll(() => t.values(topic, partition), poll).toEqual(wanted[partition]);
    });

    test('keys, values, tombstones, headers and timestamps come back as they went in', async () => {
      const topic = await topicWith();
      const bytes = Buffer.from([0, 255, 1, 0, 10, 13]);
      await log.append([
        { ...record(topic, 'a', bytes), headers: { op: 'c', raw: bytes, empty: '' }, timestamp: 1 },
        { ...record(topic, 'a', null), headers: { op: 'd', name: 'ü€😀' }, timestamp: 1_700_000_000_123 },
        record(topic, 'empty value', Buffer.alloc(0)),
      ]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.records(topic).length, poll).toBe(3);
      const [created, deleted, empty] = t.records(topic);
      expect(created).toMatchObject({ offset: 0, timestamp: 1 });
      expect(created?.key?.toString()).toBe('a');
      expect(created?.value?.equals(bytes)).toBe(true);
      expect(Object.keys(created?.headers ?? {})).toEqual(['op', 'raw', 'empty']);
      expect(Buffer.from(created?.headers.raw ?? '').equals(bytes)).toBe(true);
      expect(deleted).toMatchObject({ offset: 1, value: null, timestamp: 1_700_000_000_123 });
      expect(String(deleted?.headers.name)).toBe('ü€😀');
      expect(empty?.value).toHaveLength(0);
    });

    test('values of one megabyte pass, many in one call', async () => {
      const topic = await topicWith();
      const big = Array.from({ length: 12 }, (_, i) => Buffer.alloc(1_000_000, i));
      await log.append(big.map((value, i) => record(topic, `k${i}`, value)));
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.records(topic).length, poll).toBe(12);
      expect(t.records(topic).map((r) => [r.value?.length, r.value?.[999_999]])).toEqual(
        big.map((_, i) => [1_000_000, i]),
      );
    });

    test('a rejected append stops later ones until recover, and none of those is in the Log', async () => {
      const topic = await topicWith();
      onTestFinished(() => log.recover());
      const bad = log.append([record(topic, 'a', 'one'), record(fresh('missing'), 'a', 'two')]);
      await expect(bad).rejects.toMatchObject({ code: 'LOG_TOPIC' });
      await expect(log.append([record(topic, 'a', 'three')])).rejects.toBeInstanceOf(InsideoutError);
      await log.recover();
      await log.append([record(topic, 'a', 'four')]);
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.values(topic).at(-1), poll).toBe('four');
      expect(t.values(topic)).not.toContain('three');
    });

    test('reading starts at exactly the offset that was asked for, whatever the group read before', async () => {
      const topic = await topicWith();
      await log.append(Array.from({ length: 50 }, (_, i) => record(topic, `k${i}`, String(i))));
      const group = fresh('group');
      const all = follow({ topics: [topic], group });
      await expect.poll(() => all.values(topic).length, poll).toBe(50);
      await all.stop();
      for (const from of [49, 0, 17]) {
        const t = follow({ topics: [topic], group, from: { [partitionKey(topic, 0)]: from } });
        await expect.poll(() => t.values(topic).at(-1), poll).toBe('49');
        expect(t.records(topic)[0]?.offset).toBe(from);
        expect(t.records(topic)).toHaveLength(50 - from);
        await t.stop();
      }
      const t = follow({ topics: [topic], group, from: { [partitionKey(topic, 0)]: 50 } });
      await expect.poll(() => t.held.size, poll).toBe(1);
      await log.append([record(topic, 'k', 'new')]);
      await expect.poll(() => t.values(topic), poll).toEqual(['new']);
    });

    test('a position past the end is refused, because the Log must have lost records', async () => {
      const topic = await topicWith();
      await log.append([record(topic, 'a', '1')]);
      const t = follow({ topics: [topic], from: { [partitionKey(topic, 0)]: 5 } });
      await expect(t.done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
    });

    test('a reader at the end is woken by an append', async () => {
      const topic = await topicWith({ partitions: 2 });
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.held.size, poll).toBe(2);
      for (let i = 0; i < 10; i++) {
        await log.append([record(topic, 'k', String(i), i % 2)]);
        await expect.poll(() => t.values(topic, i % 2).at(-1), poll).toBe(String(i));
      }
    });

    test('batches tell where to go on and how far the end is, and offsets agree', async () => {
      const topic = await topicWith({ partitions: 2 });
      await log.append(Array.from({ length: 10 }, (_, i) => record(topic, `k${i}`, 'x', 1)));
      expect(await log.offsets([topic, fresh('missing')])).toEqual(
        new Map([
          [partitionKey(topic, 0), { first: 0, end: 0 }],
          [partitionKey(topic, 1), { first: 0, end: 10 }],
        ]),
      );
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.batches.at(-1)?.next, poll).toBe(10);
      expect(t.batches.at(-1)?.end).toBe(10);
      let next = 0;
      for (const batch of t.batches) {
        for (const { offset } of batch.records) expect(offset).toBe(next++);
        expect(batch.next).toBe(next);
      }
    });

    test('the next batch of a partition comes only after the one before it was worked on', async () => {
      const topic = await topicWith();
      const value = Buffer.alloc(10_000);
      let working = 0;
      const t = follow({
        topics: [topic],
        work: async () => {
          expect(++working).toBe(1);
          await new Promise(setImmediate);
          working--;
        },
      });
      for (let i = 0; i < 20; i++) await log.append([record(topic, `k${i}`, value)]);
      await expect.poll(() => t.records(topic).length, poll).toBe(20);
    });

    test('members of a group share the partitions, and a leaver’s go to who stays', async () => {
      const topic = await topicWith({ partitions: 4 });
      const group = fresh('group');
      const one = follow({ topics: [topic], group });
      await expect.poll(() => partitionsHeld(one), poll).toEqual([0, 1, 2, 3]);
      const two = follow({ topics: [topic], group }, await second());
      await expect.poll(() => [one.held.size, two.held.size], poll).toEqual([2, 2]);
      expect([...partitionsHeld(one), ...partitionsHeld(two)].sort()).toEqual([0, 1, 2, 3]);
      expect(one.revoked.length).toBeGreaterThanOrEqual(2);
      await one.stop();
      await expect.poll(() => partitionsHeld(two), poll).toEqual([0, 1, 2, 3]);
      await log.append([0, 1, 2, 3].map((p) => record(topic, 'k', `p${p}`, p)));
      for (const p of [0, 1, 2, 3]) await expect.poll(() => two.values(topic, p), poll).toEqual([`p${p}`]);
    });

    test('without a group every reader gets every partition', async () => {
      const topic = await topicWith({ partitions: 2 });
      await log.append([record(topic, 'a', '0', 0), record(topic, 'b', '1', 1)]);
      const readers = [follow({ topics: [topic] }), follow({ topics: [topic] })];
      for (const t of readers)
        await expect.poll(() => [t.values(topic, 0), t.values(topic, 1)], poll).toEqual([['0'], ['1']]);
    });

    test('a second instance reads what the first writes', async () => {
      const topic = await topicWith();
      const t = follow({ topics: [topic] }, await second());
      await expect.poll(() => t.held.size, poll).toBe(1);
      await log.append([record(topic, 'a', 'x')]);
      await expect.poll(() => t.values(topic), poll).toEqual(['x']);
    });

    test('ensuring topics twice changes nothing, and another partition count is refused', async () => {
      const topic = await topicWith({ partitions: 2 });
      await log.ensureTopics([{ name: topic, partitions: 2, cleanup: 'compact' }]);
      expect(await log.partitions([topic, fresh('missing')])).toEqual(new Map([[topic, 2]]));
      expect(await log.topics()).toContain(topic);
      await expect(
        log.ensureTopics([{ name: topic, partitions: 3, cleanup: 'compact' }]),
      ).rejects.toMatchObject({
        code: 'LOG_TOPIC',
      });
    });

    test('asking whether topics may be created creates none, and refuses another partition count', async () => {
      const topic = await topicWith({ partitions: 2 });
      const missing = fresh('missing');
      const spec = { name: topic, partitions: 2, cleanup: 'compact' } as const;
      await log.checkTopics([spec, { ...spec, name: missing }]);
      await expect(log.checkTopics([{ ...spec, partitions: 3 }])).rejects.toMatchObject({
        code: 'LOG_TOPIC',
      });
      expect(await log.partitions([topic, missing])).toEqual(new Map([[topic, 2]]));
    });

    test('reading a topic that does not exist is refused', async () => {
      await expect(follow({ topics: [fresh('missing')] }).done).rejects.toMatchObject({ code: 'LOG_TOPIC' });
    });

    test('aborting ends the reading without an error, also when it waits and when it had not begun', async () => {
      const topic = await topicWith();
      const t = follow({ topics: [topic] });
      await expect.poll(() => t.held.size, poll).toBe(1);
      await t.stop();
      await follow({ topics: [topic] }).stop();
    });

    test('what `from` throws ends the reading with that error', async () => {
      const topic = await topicWith();
      const failing = log.consume({
        topics: [topic],
        from: () => Promise.reject(new InsideoutError('STORE_UNREACHABLE', 'No store.', { hint: 'Wait.' })),
        signal: new AbortController().signal,
      });
      await expect(failing[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'STORE_UNREACHABLE',
      });
    });

    test('registering a schema twice gives the same id, also by another instance', async () => {
      const subject = `${fresh('subject')}-value`;
      const schema = rowSchema([id, { name: 'at', type: { type: 'string', 'own.attribute': 'kept' } }]);
      const first = await log.schemas.register(subject, schema);
      expect(await log.schemas.register(subject, schema)).toBe(first);
      const other = await second();
      expect(await other.schemas.register(subject, schema)).toBe(first);
      expect(await other.schemas.schema(first)).toEqual(schema);
    });

    test('a schema that cannot read its predecessor’s records is refused, one that can is taken', async () => {
      const subject = `${fresh('subject')}-value`;
      const first = await log.schemas.register(subject, rowSchema([id]));
      const optional = { name: 'name', type: ['null', 'string'], default: null };
      const compatible = await log.schemas.register(subject, rowSchema([id, optional]));
      expect(compatible).not.toBe(first);
      const required = { name: 'name', type: 'boolean' };
      await expect(log.schemas.register(subject, rowSchema([id, required]))).rejects.toMatchObject({
        code: 'SCHEMA_INCOMPATIBLE',
      });
    });

    test('an id that was never given is unknown', async () => {
      await expect(log.schemas.schema(2_000_000_000)).rejects.toMatchObject({ code: 'SCHEMA_UNKNOWN' });
    });

    test('after closing, everything is refused', async () => {
      const topic = await topicWith();
      const closed = await open();
      await closed.close();
      await closed.close();
      await expect(closed.append([record(topic, 'a', 'x')])).rejects.toMatchObject({ code: 'LOG_CLOSED' });
      await expect(closed.topics()).rejects.toMatchObject({ code: 'LOG_CLOSED' });
    });
  });
}
