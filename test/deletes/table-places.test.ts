import { expect, test } from 'vitest';
import type { SubjectRows } from '../../connectors/source/erasure.ts';
import { rowsLeft, tablePlaces } from '../../deletes/table-places.ts';
import { subject } from '../connectors/source/postgres/shop.ts';
import { folded, requested } from './happenings.ts';

const { erasure } = folded(requested('e'));
const of = subject(['public.c.id', 'public.r.c', 'public.k.c'], {
  'public.r': { author: null },
  'public.k': {},
});
const rows = (table: string, more: Partial<SubjectRows> & Pick<SubjectRows, 'policy'>): SubjectRows => ({
  table,
  topic: `shop.${table}`,
  keyColumns: ['id'],
  keys: [['1']],
  ...more,
});
const states = (...left: SubjectRows[]) =>
  tablePlaces(erasure!, 'shop', rowsLeft(of, left))
    .filter(({ kind }) => kind === 'table')
    .map(({ name, state }) => `${name.slice(-1)} ${state}`);
const text = { column: 'author', text: 'Ann' };

test('every table of the subject is a place, whether it ever had rows of it or not', () => {
  expect(states()).toEqual(['c verified', 'r verified', 'k verified']);
});

test('rows that are there again are told', () => {
  expect(states(rows('public.c', { policy: 'delete' }))).toEqual(['c applied', 'r verified', 'k verified']);
});

test('of rows that stay nothing is verified but where every one shows that it is overwritten', () => {
  const reviews = (...overwritten: SubjectRows['overwritten'] & object) =>
    states(
      rows('public.r', { policy: 'anonymise', keys: overwritten.map((_, i) => [String(i)]), overwritten }),
    )[1];
  expect(reviews([], [])).toBe('r verified');
  expect(reviews([], [text])).toBe('r unverifiable');
  // A value that cannot be compared.
  expect(reviews(null)).toBe('r unverifiable');
  expect(states(rows('public.k', { policy: 'anonymise' }))[2]).toBe('k unverifiable');
});

test('where nobody knows the id any more no table is said to be asked', () => {
  const places = tablePlaces({ ...erasure!, rows: { 'public.c': 1 } }, 'shop', null);
  expect(places.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
    'table unverifiable',
    'database files unverifiable',
  ]);
});
