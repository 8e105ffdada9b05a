import { expect, test } from 'vitest';
import { type BundleLimits, bundles } from '../../../connectors/sink/cassandra/cassandra-bundles.ts';
import { planBatch } from '../../../connectors/sink/cassandra/cassandra-plan.ts';
import { clearTime, writeTime } from '../../../connectors/sink/cassandra/cassandra-timestamps.ts';
import { windowed } from '../../../connectors/sink/cassandra/windowed.ts';
import type { Key, ViewChange } from '../../../core/view.ts';

const upsert = (offset: number, id: number): ViewChange => ({ op: 'upsert', offset, key: [id], row: { id } });

test('only the last change of a key is planned, and none below the checkpoint', () => {
  const changes: ViewChange[] = [
    upsert(0, 1),
    upsert(1, 2),
    { op: 'delete', offset: 2, key: [2] },
    upsert(3, 3),
  ];
  expect(planBatch(changes, 1)).toEqual({ rows: [changes[2], changes[3]], truncate: null });
});

test('a key that was written before a truncate is deleted at its offset, and one written after it stays', () => {
  const changes: ViewChange[] = [upsert(0, 1), upsert(1, 2), { op: 'truncate', offset: 2 }, upsert(3, 2)];
  expect(planBatch(changes, 0)).toEqual({
    rows: [{ op: 'delete', offset: 2, key: [1] }, changes[3]],
    truncate: 2,
  });
});

test('rows travel together up to a number and a size, and a large one alone', () => {
  const row = (offset: number, text: string) =>
    ({ op: 'upsert', offset, key: [offset], row: { id: offset, text } }) as const;
  const rows = [
    row(0, 'a'),
    row(1, 'a'),
    row(2, 'a'),
    row(3, 'x'.repeat(900)),
    row(4, 'a'),
    row(5, 'é'.repeat(400)),
  ];
  const sizes = (limits: BundleLimits) => [...bundles(rows, limits)].map((bundle) => bundle.length);
  expect(sizes({ rows: 2, bytes: 100_000 })).toEqual([2, 2, 2]);
  expect(sizes({ rows: 50, bytes: 1_000 })).toEqual([3, 1, 2]);
  expect(sizes({ rows: 50, bytes: 900 })).toEqual([3, 1, 1, 1]);
});

test('keys that differ are told apart, whatever their type, and equal ones are one', () => {
  const keys: Key[] = [
    [1n],
    [2n],
    [0],
    [-0],
    ['1'],
    ['1n'],
    [true],
    [false],
    [new Uint8Array([1])],
    [1n, 'a'],
    [1n, 'b'],
  ];
  const changes = [...keys, ...keys].map(
    (key, offset): ViewChange => ({ op: 'delete', offset, key: [...key] }),
  );
  expect(planBatch(changes, 0).rows.map(({ offset }) => offset)).toEqual(keys.map((_, i) => keys.length + i));
});

test('clearing for a record is above all that older ones wrote and below what it writes itself', () => {
  for (const offset of [1, 2, 1_000, Number.MAX_SAFE_INTEGER]) {
    expect(clearTime(offset) > writeTime(offset - 1)).toBe(true);
    expect(clearTime(offset) < writeTime(offset)).toBe(true);
  }
  expect(writeTime(Number.MAX_SAFE_INTEGER) < 1n << 63n).toBe(true);
});

test('after a failure nothing more is begun, and what was begun is waited for', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = windowed([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error('broken');
    await new Promise(setImmediate);
    ended++;
  });
  await expect(work).rejects.toThrow('broken');
  expect(begun).toEqual([0, 1]);
  expect(ended).toBe(1);
});
