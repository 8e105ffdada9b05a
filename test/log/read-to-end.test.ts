import { expect, onTestFinished, test } from 'vitest';
import { partitionKey } from '../../core/position.ts';
import type { LogRecord } from '../../log/log.ts';
import { readToEnd } from '../../log/read-to-end.ts';
import { countSuperseded } from '../../log/superseded.ts';
import { temporaryLog } from '../support/capture.ts';

const topic = 'shop.public.orders';
const never = new AbortController().signal;

async function opened(partitions = 2) {
  const log = await temporaryLog();
  onTestFinished(() => log.close());
  await log.ensureTopics([{ name: topic, partitions, cleanup: 'compact' }]);
  const append = (...records: [key: string, partition: number][]) =>
    log.append(
      records.map(([key, partition]): LogRecord => {
        const value = Buffer.from('v');
        return { topic, partition, key: Buffer.from(key), value, timestamp: 1 };
      }),
    );
  return { log, append };
}

test('reading ends at the end that was there when it began, also while others append', async () => {
  const { log, append } = await opened();
  await append(['a', 0], ['b', 1]);
  const keys: string[] = [];
  for await (const { records } of readToEnd(log, [topic])) {
    keys.push(...records.map((r) => String(r.key)));
    await append(['later', 0], ['later', 1]);
  }
  expect(keys.filter((key) => key !== 'later').sort()).toEqual(['a', 'b']);
});

test('what is missing or empty reads as nothing, and so do partitions that nobody asked for', async () => {
  const { log, append } = await opened();
  const read = async (from?: ReadonlyMap<string, number>) => {
    const batches = [];
    for await (const batch of readToEnd(log, [topic, 'missing'], from ? { from } : {})) batches.push(batch);
    return batches.flatMap(({ partition, records }) => records.map((r) => `${partition} ${r.key}`));
  };
  expect(await read()).toEqual([]);
  await append(['a', 0], ['b', 1], ['c', 1]);
  expect(await read(new Map([[partitionKey(topic, 1), 1]]))).toEqual(['1 c']);
  expect(await read(new Map())).toEqual([]);
});

test('an abort rejects, since what was read is not the whole', async () => {
  const { log, append } = await opened();
  await append(['a', 0], ['b', 1]);
  const stop = new AbortController();
  const reason = new Error('stop');
  const reading = async () => {
    for await (const _ of readToEnd(log, [topic], { signal: stop.signal })) stop.abort(reason);
  };
  await expect(reading()).rejects.toBe(reason);
});

test('superseded records are counted below the given ends, the same with however little memory', async () => {
  const { log, append } = await opened();
  // Some of the keys are longer than what is remembered of them as it is.
  const keys = Array.from({ length: 300 }, (_, n): [string, number] => ['k'.repeat(1 + (n % 37)), n % 2]);
  await append(...keys);
  const end = 100;
  const wanted = [0, 1].map((partition) => {
    const inPartition = keys.filter(([, p]) => p === partition).slice(0, end);
    const old = inPartition.flatMap(([key], i) =>
      inPartition.slice(i + 1).some(([k]) => k === key) ? [i] : [],
    );
    return [partitionKey(topic, partition), { count: old.length, last: Math.max(...old) }];
  });
  const below = new Map([0, 1].map((partition) => [partitionKey(topic, partition), end]));
  for (const memory of [1_000, 7])
    expect([...(await countSuperseded(log, [topic], { below, signal: never, keys: memory }))].sort()).toEqual(
      wanted,
    );
});
