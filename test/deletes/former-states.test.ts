import { expect, test } from 'vitest';
import type { SourcePoint } from '../../connectors/source/point.ts';
import { isBefore, laterPoint } from '../../connectors/source/point.ts';
import { ErasureGuard } from '../../deletes/guard.ts';
import type { ErasureHappening, NotedRows, OwnerHashes } from '../../deletes/journal.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { folded, requested } from './happenings.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const id = 'e';
const pointOf = (n: number): SourcePoint => ({ lsn: `0/${n.toString(16)}`, micros: String(n) });
const headersOf = (n: number) => ({ lsn: Buffer.from(`0/${n.toString(16)}`), ts: Buffer.from(String(n)) });
const owner = (
  column: string,
  ids: readonly number[],
  through: OwnerHashes['through'] = null,
): OwnerHashes => ({
  topic: 't',
  column,
  through,
  hashes: ids.map((id) => hasher.key('t', { [column]: id })),
});
const ofTime = (n: number, owners: readonly OwnerHashes[]) =>
  owners.map((of) => ({ ...of, point: pointOf(n), former: false }));
const orders = { topics: ['o'], column: 'id' };
const keysOf = (...ids: number[]) => ids.map((id) => hasher.key('t', { id }));
const rows = (stays: number[], hashes: number[] = []): NotedRows[] => [
  {
    table: 'public.t',
    topic: 't',
    hashes: keysOf(...hashes),
    overwritten: stays.length,
    stays: keysOf(...stays),
  },
];
const found = (n: number, of: NotedRows[], owners: OwnerHashes[] = []): ErasureHappening => ({
  type: 'found',
  erasure: id,
  rows: of,
  owners,
  round: { transaction: `t${n}`, barrier: `b${n}`, point: pointOf(n) },
});
const deleted = (n: number): ErasureHappening => ({ type: 'deleted', erasure: id, barrier: `b${n}` });
const passed = (n: number): ErasureHappening => ({ type: 'passed', erasure: id, barrier: `b${n}`, ends: {} });
const former = (n: number, ...ids: number[]): ErasureHappening => ({
  type: 'former',
  erasure: id,
  barrier: `b${n}`,
  point: pointOf(n),
  keys: [{ topic: 't', hashes: keysOf(...ids) }],
  owners: [owner('order', [99], orders)],
});

function after(...happenings: readonly ErasureHappening[]) {
  const { erasure, ...rest } = folded(requested(id), ...happenings);
  return { ...rest, erasure: erasure! };
}

test('who rows belonged to, and what was overwritten, counts from the commit on, with the point behind it', () => {
  const owners = [owner('customer', [7]), owner('order', [13], orders)];
  const begun = [found(10, rows([1]), owners)];
  const nothing = { owners: [], overwritten: [], point: null };
  expect(after(...begun).erasure).toMatchObject(nothing);
  expect(after(...begun, { type: 'undone', erasure: id, barrier: 'b10' }).erasure).toMatchObject(nothing);
  expect(after(...begun, deleted(10)).erasure).toMatchObject({
    owners: ofTime(10, owners),
    overwritten: [{ topic: 't', hashes: keysOf(1), point: pointOf(10) }],
    point: pointOf(10),
  });
  const again = [found(20, rows([1, 2]), [owner('order', [14], orders)]), deleted(20)];
  expect(after(...begun, deleted(10), ...again).erasure).toMatchObject({
    owners: [...ofTime(10, owners), ...ofTime(20, [owner('order', [14], orders)])],
    overwritten: [
      { hashes: keysOf(1), point: pointOf(10) },
      { hashes: keysOf(1, 2), point: pointOf(20) },
    ],
    point: pointOf(20),
  });
});

test('what refers to rows that the application gave to somebody else is not the subject’s', () => {
  const owners = [owner('customer', [7]), owner('order', [13, 14], orders)];
  const noted: ErasureHappening = { type: 'found', erasure: id, rows: rows([], [1]), owners };
  const settle = (last: string): ErasureHappening => ({
    type: 'deleted',
    erasure: id,
    barrier: 'b',
    tracked: {
      last,
      kept: [],
      owners: [owner('customer', [7]), owner('order', [14], orders)],
      point: pointOf(5),
    },
  });
  expect(after(noted, settle('1')).erasure).toMatchObject({
    owners: ofTime(5, [owner('customer', [7]), owner('order', [13], orders)]),
    point: pointOf(5),
    tracked: null,
  });
});

test('what was there before is searched once for each barrier, behind it', () => {
  const begun = [found(10, rows([], [1]), [owner('customer', [7])]), deleted(10)];
  const once = after(...begun, passed(10), former(10, 5, 6));
  expect(once.refused).toEqual([]);
  expect(once.erasure).toMatchObject({
    former: [{ topic: 't', hashes: keysOf(5, 6), point: pointOf(10) }],
    formerOf: 'b10',
    owners: [
      ...ofTime(10, [owner('customer', [7])]),
      { ...owner('order', [99], orders), point: pointOf(10), former: true },
    ],
    keys: [{ topic: 't', hashes: keysOf(1) }],
  });
  expect(after(...begun, former(10, 5)).refused).toEqual(['this erasure has not passed its source']);
  expect(after(...begun, passed(10), former(10, 5), former(10, 6)).refused).toEqual([
    'what was there before is known already',
  ]);
  const twice = [...begun, passed(10), former(10, 5), found(20, rows([], [2])), deleted(20)];
  expect(after(...twice, passed(20), former(10, 6)).refused).toEqual([
    'rows of this erasure were deleted once more',
  ]);
  // What was found the first time is of before that time only: its key may be somebody else's since.
  expect(after(...twice, passed(20), former(20, 6)).erasure.former).toEqual([
    { topic: 't', hashes: keysOf(5), point: pointOf(10) },
    { topic: 't', hashes: keysOf(6), point: pointOf(20) },
  ]);
  const parts = after(
    ...begun,
    passed(10),
    { ...former(10, 5), more: true } as ErasureHappening,
    former(10, 6),
  );
  expect(parts.refused).toEqual([]);
  expect(parts.erasure.former.map((of) => of.hashes)).toEqual([keysOf(5), keysOf(6)]);
  expect(
    after(...begun, passed(10), { ...former(10, 5), more: true } as ErasureHappening).erasure.formerOf,
  ).toBe(null);
});

test('views do not take what an overwritten row was before, and take what it is since', () => {
  const stale = (...happenings: readonly ErasureHappening[]) => {
    const { state } = after(...happenings);
    const guard = new ErasureGuard(
      () => state,
      () => hasher,
    );
    const of = (id: number, n: number) => guard.refusal('t', { id }, headersOf(n)) === 'stale';
    return {
      none: guard.none('t'),
      has: guard.has('t', { id: 1 }),
      stale: [of(1, 9), of(1, 11), of(1, 21), of(2, 9)],
    };
  };
  const begun = [found(10, rows([1]))];
  expect(stale(...begun)).toEqual({ none: true, has: false, stale: [false, false, false, false] });
  const once = [...begun, deleted(10)];
  const deletedRow = after(found(10, rows([], [1])), deleted(10)).state;
  const guard = new ErasureGuard(
    () => deletedRow,
    () => hasher,
  );
  expect([1, 2].map((id) => guard.refusal('t', { id }, headersOf(99)))).toEqual(['erased', null]);
  expect(stale(...once)).toEqual({ none: false, has: false, stale: [true, false, false, false] });
  const twice = [...once, found(20, rows([1])), deleted(20)];
  expect(stale(...twice).stale).toEqual([true, true, false, false]);
  expect(stale(...once, { type: 'lifted', erasure: id })).toMatchObject({
    none: true,
    stale: [false, false, false, false],
  });
  expect(stale(...once, passed(10), former(10, 2)).stale).toEqual([true, false, false, true]);
});

test('a record is of before a point when its position and its time are, or when it does not tell them', () => {
  const at = (lsn: string, ts: string) =>
    isBefore({ lsn: Buffer.from(lsn), ts: Buffer.from(ts) }, pointOf(16));
  expect(at('0/F', '15')).toBe(true);
  expect(at('0/10', '15')).toBe(false);
  expect(at('0/F', '16')).toBe(false);
  // Positions are numbers, and no texts.
  expect(at('0/9', '9')).toBe(true);
  expect(at('1/1', '1')).toBe(false);
  for (const headers of [
    {},
    headersOf(15).lsn && { lsn: headersOf(15).lsn },
    { lsn: Buffer.from('?'), ts: Buffer.from('99') },
  ])
    expect(isBefore(headers, pointOf(16))).toBe(true);
  expect(laterPoint(pointOf(9), pointOf(10))).toEqual(pointOf(10));
  expect(laterPoint(pointOf(10), pointOf(9))).toEqual(pointOf(10));
});
