import { expect, test } from 'vitest';
import { FinishingQueue } from '../../daemon/finishing-queue.ts';
import { type ErasureHappening, emptyJournal, type JournalState } from '../../deletes/journal.ts';
import { fold } from '../../deletes/journal-fold.ts';

let number = 0;
/** A journal of what happened at these times, in seconds. */
function journal(...happened: readonly (readonly [number, ErasureHappening])[]): JournalState {
  let state = emptyJournal();
  for (const [s, happening] of happened)
    state = fold(state, { ...happening, id: String(number++), at: s * 1_000, by: 'me' });
  return state;
}
const requested = (erasure: string, of: 'customer' | 'crm.a' | 'crm.b'): ErasureHappening => ({
  type: 'requested',
  erasure,
  subject: of,
  subjectHash: 'h',
  kind: of === 'customer' ? 'source' : 'topic',
  source: of === 'customer' ? 'shop' : null,
  deletes: true,
});
const found = (erasure: string, barrier = 'b'): ErasureHappening => ({
  type: 'found',
  erasure,
  rows: [],
  round: { transaction: '1', barrier },
});
const deleted = (erasure: string, barrier = 'b'): ErasureHappening => ({ type: 'deleted', erasure, barrier });
const held = (erasure: string, seconds: number): ErasureHappening => ({
  type: 'held',
  erasure,
  until: seconds * 1_000,
});
const next = (queue: FinishingQueue, state: JournalState, seconds: number) => {
  const { erasures, at } = queue.next(state, seconds * 1_000);
  return [erasures.map((e) => e.id).join(' '), at / 1_000];
};
const never = Number.POSITIVE_INFINITY;

test('the oldest comes first, with those of its subject and no others, up to a hundred', () => {
  const state = journal(
    ...['1', '2', '3'].flatMap((id) => [
      [0, requested(`a${id}`, 'crm.a')] as const,
      [0, requested(`b${id}`, 'crm.b')] as const,
    ]),
  );
  const queue = new FinishingQueue();
  expect(next(queue, state, 60)).toEqual(['a1 a2 a3', never]);
  queue.unfinished(queue.next(state, 60_000).erasures, { now: 60_000, alone: false });
  expect(next(queue, state, 60)).toEqual(['b1 b2 b3', 65]);
  const many = journal(...Array.from({ length: 250 }, (_, i) => [0, requested(`${i}`, 'crm.a')] as const));
  expect(new FinishingQueue().next(many, 60_000).erasures).toHaveLength(100);
});

test('what its process may still be deleting is left for a minute, and what it holds until it gives it free', () => {
  const queue = new FinishingQueue();
  const finding = journal([0, requested('e', 'customer')], [9, found('e')]);
  expect(next(queue, finding, 10)).toEqual(['', 69]);
  expect(next(queue, finding, 69)).toEqual(['e', never]);
  const steps = [
    [0, requested('e', 'customer')],
    [1, held('e', 300)],
    [2, found('e')],
    [2, deleted('e')],
  ] as const;
  expect(next(queue, journal(...steps), 10)).toEqual(['', 300]);
  expect(next(queue, journal(...steps), 300)).toEqual(['e', never]);
  expect(next(queue, journal(...steps, [20, held('e', 0)]), 20)).toEqual(['e', never]);
});

test('what nobody but its eraser can go on with is never due', () => {
  const due = (...happened: readonly (readonly [number, ErasureHappening])[]) =>
    next(new FinishingQueue(), journal(...happened), 9_999);
  const begun = [0, requested('e', 'customer')] as const;
  const noted = { type: 'found', erasure: 'e', rows: [] } as const;
  expect(due(begun)).toEqual(['', never]);
  expect(due(begun, [0, found('e')], [0, { type: 'undone', erasure: 'e', barrier: 'b' }])).toEqual([
    '',
    never,
  ]);
  expect(due(begun, [0, noted])).toEqual(['', never]);
  expect(due(begun, [0, found('e')], [0, noted], [0, deleted('e')])).toEqual(['e', never]);
  const passed = { type: 'passed', erasure: 'e', barrier: 'b', ends: {} } as const;
  expect(due(begun, [0, found('e')], [0, deleted('e')], [0, passed], [0, noted])).toEqual(['', never]);
});

test('what was passed is left for a minute when more of it is just being deleted', () => {
  const passed = { type: 'passed', erasure: 'e', barrier: 'b', ends: {} } as const;
  const state = journal(
    [0, requested('e', 'customer')],
    [0, found('e')],
    [0, deleted('e')],
    [0, passed],
    [9, found('e', 'b2')],
  );
  expect(next(new FinishingQueue(), state, 10)).toEqual(['', 69]);
});

test('what could not be finished is due later and later, ten minutes at most, and at once when it goes on', () => {
  const queue = new FinishingQueue();
  const steps = [
    [0, requested('e', 'customer')],
    [0, found('e')],
    [0, deleted('e')],
  ] as const;
  const state = journal(...steps);
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) {
    const now = i * 1_000_000;
    delays.push(queue.unfinished(queue.next(state, now).erasures, { now, alone: false }) / 1_000);
  }
  expect(delays).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
  expect(next(queue, state, 8_001)).toEqual(['', 8_600]);
  expect(
    next(queue, journal(...steps, [7_000, found('e', 'b2')], [8_001, deleted('e', 'b2')]), 8_001),
  ).toEqual(['e', never]);
});

test('of those that failed together each is tried alone', () => {
  const queue = new FinishingQueue();
  const state = journal([0, requested('e', 'crm.a')], [0, requested('f', 'crm.a')]);
  queue.unfinished(queue.next(state, 60_000).erasures, { now: 60_000, alone: true });
  expect(next(queue, state, 65)).toEqual(['e', never]);
});
