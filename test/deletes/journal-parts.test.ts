import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inParts } from '../../deletes/event-parts.ts';
import type {
  ErasedKeys,
  ErasureHappening,
  JournalState,
  NotedRows,
  OwnerHashes,
} from '../../deletes/journal.ts';
import { folded, type Happening, requested } from './happenings.ts';

const point = { lsn: '0/10', micros: '10' };
const hashes = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name} ${i}`.padEnd(32, '.'));
const rows: NotedRows[] = [
  { table: 'public.orders', topic: 'orders', hashes: hashes('order', 5), overwritten: 0 },
  { table: 'public.none', topic: 'none', hashes: [], overwritten: 0 },
  { table: 'public.notes', topic: 'notes', hashes: [], overwritten: 4, stays: hashes('note', 4) },
  { table: 'public.lines', topic: 'lines', hashes: hashes('line', 3), overwritten: 0 },
];
const through = { topics: ['orders'], column: 'id' };
const owners: OwnerHashes[] = [
  { topic: 'orders', column: 'customer', through: null, hashes: hashes('customer', 1) },
  { topic: 'lines', column: 'order', through, hashes: hashes('owner', 5) },
  { topic: 'lines', column: 'price', through, hashes: null },
];
/** Two hashes in each part. */
const small = 80;

const round = (barrier: string) => ({ transaction: `t ${barrier}`, barrier, point });
const found = (barrier: string, most?: number): ErasureHappening[] =>
  inParts({ rows, owners }, most).map(([part, more]) => ({
    type: 'found',
    erasure: 'e',
    ...part,
    round: round(barrier),
    ...more,
  }));
const deleted = (barrier: string): ErasureHappening => ({ type: 'deleted', erasure: 'e', barrier });
const undone = (barrier: string): ErasureHappening => ({ type: 'undone', erasure: 'e', barrier });
const whole = folded(requested('e'), ...found('b'), deleted('b')).erasure!;
const inMany = found('b', small);
const cuts = inMany.map((_, i) => [i]).slice(1);

test('rows that are written down in several events are those of one event once their transaction is committed', () => {
  expect([found('b').length, inMany.length]).toEqual([1, expect.toSatisfy((n) => n > 8)]);
  expect(whole.rows).toEqual({ 'public.orders': 5, 'public.notes': 4, 'public.lines': 3 });
  expect(folded(requested('e'), ...inMany, deleted('b')).erasure).toEqual(whole);
  // Two processes that put the same events back double them.
  expect(folded(requested('e'), ...inMany.flatMap((one) => [one, one]), deleted('b')).erasure).toEqual(whole);
});

test.each(cuts)('after a crash behind %i parts nothing is erased, and nothing is left of them', (parts) => {
  const some = inMany.slice(0, parts);
  const refused = folded(requested('e'), ...some, deleted('b'));
  expect(refused.refused).toEqual(['not all of its rows are written down']);
  expect(refused.erasure).toMatchObject({ phase: 'requested', rows: {}, keys: [], owners: [], rounds: [{}] });
  const { erasure } = folded(requested('e'), ...some, undone('b'));
  expect(erasure).toEqual({ ...folded(requested('e')).erasure, outcomes: new Map([['b', 'undone']]) });
  // Whoever goes on with it does so in another transaction; what the first still writes down counts no more.
  const again = folded(
    requested('e'),
    ...some,
    ...found('b2', small),
    undone('b'),
    ...inMany.slice(parts),
    deleted('b2'),
  );
  expect(again.refused).toEqual(inMany.slice(parts).map(() => 'this transaction has ended'));
  const { keys, overwritten, owners: by } = whole;
  expect(again.erasure).toMatchObject({ rows: whole.rows, keys, overwritten, owners: by, barrier: 'b2' });
});

const noted = (most?: number): ErasureHappening[] =>
  inParts({ rows, owners }, most).map(([part, more]) => ({ type: 'found', erasure: 'e', ...part, ...more }));
/** Orders 1 and 2, and line 0, are somebody else's. */
const others = {
  kept: [
    { topic: 'orders', hashes: hashes('order', 3).slice(1) },
    { topic: 'lines', hashes: hashes('line', 1) },
  ] satisfies ErasedKeys[],
  owners: [{ topic: 'lines', column: 'order', through, hashes: hashes('owner', 3).slice(1) }],
};
const settles = (barrier: string, most?: number): Happening[] =>
  inParts(others, most).map(([part, more]) => (state: JournalState) => ({
    type: 'deleted',
    erasure: 'e',
    barrier,
    tracked: { last: state.erasures.get('e')?.tracked?.last ?? '', ...part, point, ...more },
  }));

test('what the application is to delete, and what of it is somebody else’s, may be told in several events', () => {
  const once = folded(requested('e'), ...noted(), ...settles('b')).erasure!;
  expect(once).toMatchObject({
    phase: 'deleted',
    tracked: null,
    rows: { 'public.orders': 3, 'public.lines': 2, 'public.notes': 4 },
  });
  expect(once.keys.find((of) => of.topic === 'orders')?.hashes).toEqual(
    hashes('order', 5).filter((_, i) => i < 1 || i > 2),
  );
  const parts = settles('b', 40);
  expect(parts.length).toBe(5);
  expect(folded(requested('e'), ...noted(small), ...parts).erasure).toEqual(once);
  // Of two who tell it at once each tells all of it, and the first to have done so counts.
  const both = parts.flatMap((one, i) => [one, settles('b2', 40)[i]!]);
  const { erasure, refused } = folded(requested('e'), ...noted(small), ...both);
  expect(erasure).toEqual(once);
  expect(refused).toHaveLength(1);
});

test('nothing is found of what the application is to delete before all of it is written down', () => {
  const parts = noted(small);
  const phases = parts.map((_, i) => folded(requested('e'), ...parts.slice(0, i + 1)).erasure?.phase);
  expect(phases).toEqual(parts.map((_, i) => (i < parts.length - 1 ? 'requested' : 'found')));
});

test.each([[1], [2], [3], [4]])(
  'of what is somebody else’s %i of 5 parts settle nothing, and are forgotten when there is more to settle',
  (parts) => {
    const some = settles('b', 40).slice(0, parts);
    const { erasure } = folded(requested('e'), ...noted(), ...some);
    expect(erasure).toMatchObject({ phase: 'found', rows: {}, keys: [], barrier: null });
    const again = folded(requested('e'), ...noted(), ...some, ...settles('b2')).erasure;
    expect(again).toEqual(
      expect.objectContaining({
        rows: { 'public.orders': 3, 'public.lines': 2, 'public.notes': 4 },
        barrier: 'b2',
      }),
    );
  },
);

test('a request whose keys are in several events is not begun before all are there, and is written once more', () => {
  const keys = [{ topic: 'orders', hashes: hashes('order', 5) }];
  const requests = inParts({ keys }, small).map(([part, more]) => ({ ...requested('e'), ...part, ...more }));
  expect(requests).toHaveLength(3);
  const once = folded({ ...requested('e'), keys } as ErasureHappening).erasure;
  expect(folded(...requests).erasure).toEqual(once);
  const some = requests.slice(0, 2);
  const early = folded(...some, ...found('b'));
  expect(early.refused).toEqual(['a part of its request is missing']);
  expect(early.erasure).toMatchObject({ phase: 'requested', requesting: true, rounds: [] });
  expect(folded(...some, ...requests).erasure).toEqual(once);
  expect(folded(...requests, requests[2]!).refused).toEqual(['this erasure was requested already']);
});

test('no part is larger than it may be, none is lost, and all but the last say that there is more', () => {
  const list = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 6 });
  fc.assert(
    fc.property(list, list, fc.integer({ min: 400, max: 4_000 }), (some, more, most) => {
      const lists = {
        rows: some.map((n, i) => ({
          table: `t${i}`,
          topic: `t${i}`,
          hashes: hashes(`r${i}`, n),
          overwritten: 0,
        })),
        owners: more.map((n, i) => ({
          ...owners[1]!,
          topic: `t${i}`,
          hashes: n === 0 ? null : hashes(`o${i}`, n),
        })),
      };
      const parts = inParts(lists, most);
      for (const [part, { more: follows }] of parts) {
        // Beside its hashes an entry names its table and topic.
        expect(JSON.stringify(part).length).toBeLessThan(most + 200);
        expect(follows).toBe(part === parts.at(-1)![0] ? undefined : true);
      }
      const joined = parts.map(([part]) => part);
      for (const name of ['rows', 'owners'] as const)
        for (const { topic, hashes } of lists[name]) {
          const entries = joined.flatMap((part) => part[name] as readonly OwnerHashes[]);
          const same = entries.filter((of) => of.topic === topic);
          expect(same.length).toBeGreaterThan(0);
          expect(hashes === null ? same[0]!.hashes : same.flatMap((of) => of.hashes ?? [])).toEqual(hashes);
        }
    }),
  );
});
