import { expect, test } from 'vitest';
import { type Barrier, barriersTopic, decodeBarrier } from '../../../connectors/source/barriers.ts';
import { pump } from '../../../connectors/source/pump.ts';
import type { SourceBatch } from '../../../connectors/source/source.ts';
import type { Lsn } from '../../../core/lsn.ts';
import type { Log, LogRecord } from '../../../log/log.ts';
import { recordsOf, temporaryLog } from '../../support/capture.ts';

const topic = 'shop.public.t';
const record = (n: number): LogRecord => ({
  topic,
  partition: 0,
  key: Buffer.from(`${n}`),
  value: Buffer.from('v'),
  timestamp: 0,
});
const barrier = (id: string, lsn: Lsn): Barrier => ({ id, lsn, content: { id } });
const batch = (lsn: Lsn, records: number, barriers: Barrier[] = []): SourceBatch => ({
  records: Array.from({ length: records }, (_, n) => record(n)),
  lsn,
  committedAt: null,
  barriers,
});

/** Pumps the batches; `log` is a real one whose calls may be replaced. */
async function run(batches: SourceBatch[], replace: (log: Log) => Partial<Log> = () => ({})) {
  const real = await temporaryLog();
  await real.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  const log = new Proxy(real as Log, {
    get: (target, name) => {
      const replaced = replace(target)[name as keyof Log];
      const value = replaced ?? (Reflect.get(target, name) as unknown);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const acknowledged: Lsn[] = [];
  const delivered: Lsn[] = [];
  const connected: [boolean, number][] = [];
  const stream = {
    async *[Symbol.asyncIterator]() {
      for (const each of batches) {
        delivered.push(each.lsn ?? 0n);
        yield each;
      }
    },
    acknowledge: (lsn: Lsn) => void acknowledged.push(lsn),
    close: async () => {},
  };
  const done = pump({
    source: { name: 'shop', open: async () => stream },
    log,
    signal: new AbortController().signal,
    observe: {
      appended: () => {},
      acknowledged: () => {},
      committedAt: () => {},
      connected: (active) => void connected.push([active, delivered.length]),
    },
  });
  const told = async () => (await recordsOf(real, barriersTopic('shop'))).map(decodeBarrier);
  return { done, acknowledged, delivered, connected, told, close: () => real.close() };
}

const gate = () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};
const turns = async (n = 50) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('a barrier is told with the ends of everything before it, and what has no barrier is acknowledged at once', async () => {
  const pumped = await run([
    batch(10n, 2),
    batch(20n, 1, [barrier('a', 20n)]),
    batch(30n, 0, [barrier('b', 30n)]),
  ]);
  await pumped.done;
  expect(pumped.acknowledged.at(0)).toBe(10n);
  expect(pumped.acknowledged.at(-1)).toBe(30n);
  const [a, b] = await pumped.told();
  expect(a).toMatchObject({ id: 'a', lsn: 20n, content: { id: 'a' } });
  expect(a!.ends.get(`${topic}/0`)).toBe(3);
  expect(b).toMatchObject({ id: 'b', lsn: 30n });
  await pumped.close();
});

test('ends cover topics that were there before and topics that came since, but no dead letters', async () => {
  const pumped = await run([batch(20n, 1, [barrier('a', 20n)])], (log) => ({
    recover: async () => {
      await log.ensureTopics(
        ['shop.public.old', 'shop.public.t.dlq', 'other.public.t'].map((name) => ({
          name,
          partitions: 2,
          cleanup: 'compact',
        })),
      );
    },
  }));
  await pumped.done;
  const [a] = await pumped.told();
  expect([...a!.ends.keys()].sort()).toEqual(['shop.public.old/0', 'shop.public.old/1', `${topic}/0`]);
  await pumped.close();
});

test('while a barrier is told of, batches go on; nothing at or past it is acknowledged, and none overtakes', async () => {
  const asked = gate();
  const pumped = await run(
    [
      batch(10n, 1),
      batch(20n, 1, [barrier('a', 20n)]),
      ...Array.from({ length: 20 }, (_, n) => batch(BigInt(30 + n), 1)),
      batch(60n, 1, [barrier('b', 60n)]),
    ],
    (log) => ({
      offsets: async (topics) => {
        await asked.opened;
        return log.offsets(topics);
      },
    }),
  );
  while (pumped.delivered.at(-1) !== 60n) await turns(1);
  await turns();
  expect(pumped.acknowledged).toEqual([10n]);
  asked.open();
  await pumped.done;
  expect(pumped.acknowledged).toEqual([10n, 20n, 60n]);
  expect((await pumped.told()).map((b) => b.id)).toEqual(['a', 'b']);
  await pumped.close();
});

test('a barrier whose record cannot be written is not acknowledged, and ends the pump', async () => {
  const failure = new Error('no offsets');
  const pumped = await run([batch(10n, 1), batch(20n, 1, [barrier('a', 20n)]), batch(30n, 1)], () => ({
    offsets: () => Promise.reject(failure),
  }));
  await expect(pumped.done).rejects.toBe(failure);
  expect(pumped.acknowledged).toEqual([10n]);
  await pumped.close();
});

test('a source counts as read from before its snapshot on, until it ends', async () => {
  const pumped = await run([{ ...batch(0n, 3), lsn: null }, batch(10n, 1)]);
  await pumped.done;
  expect(pumped.connected).toEqual([
    [true, 0],
    [false, 2],
  ]);
  await pumped.close();
});

test('after the first batch is stored many small ones may be under way at once, and of large ones few', async () => {
  const large = (n: bigint): SourceBatch => ({
    ...batch(n, 0),
    records: [{ ...record(0), value: Buffer.alloc(1 << 20) }],
  });
  const of = (make: (n: bigint) => SourceBatch) => Array.from({ length: 200 }, (_, n) => make(BigInt(n + 1)));
  for (const [batches, most] of [
    [of((n) => batch(n, 1)), 64],
    [of(large), 3],
  ] as const) {
    const first = gate();
    const others = gate();
    let appends = 0;
    const pumped = await run(batches, () => ({
      append: () => (appends++ === 0 ? first.opened : others.opened),
    }));
    await turns();
    expect(pumped.delivered).toHaveLength(1);
    first.open();
    await turns();
    expect(pumped.delivered.length).toBeGreaterThan(most - 1);
    expect(pumped.delivered.length).toBeLessThanOrEqual(most + 2);
    others.open();
    await pumped.done;
    expect(pumped.delivered).toHaveLength(200);
    await pumped.close();
  }
});
