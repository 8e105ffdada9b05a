import { expect, test } from 'vitest';
import { planBatch } from '../../../connectors/sink/cassandra/cassandra-plan.ts';
import { clearTime, writeTime } from '../../../connectors/sink/cassandra/cassandra-timestamps.ts';
import { windowed } from '../../../connectors/sink/cassandra/windowed.ts';
import type { ViewChange } from '../../../core/view.ts';

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
