import { expect, test } from 'vitest';
import type { OverwrittenText } from '../../connectors/source/erasure.ts';
import type { Row, Value } from '../../core/value.ts';
import type { OwnedBefore } from '../../deletes/journal.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import type { Target } from '../../deletes/target.ts';
import { Tracer } from '../../deletes/tracer.ts';
import type { Headers } from '../../log/log.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const target = (
  erasure: string,
  telling: readonly string[],
  keys: readonly number[] = [],
  more: Partial<Target> = {},
): Target => ({
  erasure,
  keys: new Map([['t', new Set(keys.map((id) => hasher.key('t', { id })))]]),
  overwritten: [],
  former: [],
  owners: [],
  point: null,
  telling,
  texts: new Map(),
  ...more,
});
const tracer = new Tracer(hasher, [
  target('a', ['ann@example.org', 'Zoë & Søn', '12345678'], [1]),
  target('b', ['bob@']),
]);
const of = (value: Value) => tracer.ofValues({ x: 1, value });

test.each<[string, Value]>([
  ['a text', 'ann@example.org'],
  ['a longer text', 'write to ann@example.org, please'],
  ['nested json', { a: [{ b: 'ann@example.org' }] }],
  ['the name of a json member', { a: { 'ann@example.org': 1 } }],
  ['json as text', '{"a":["ann@example.org"]}'],
  ['an array', [null, ['x', 'ann@example.org']]],
  ['bytes', Buffer.from('....ann@example.org....')],
  ['bytes in UTF-8', Buffer.from('for Zoë & Søn only')],
  ['a number', 12345678],
  ['an int8', 12345678n],
])('a value is found in %s', (_where, value) => {
  expect(of(value)).toEqual(['a']);
});

test.each<[string, Value]>([
  ['part of it', 'ann@example'],
  ['a larger number', 123456789],
  ['nothing', null],
  ['a bool', true],
])('%s is not the value', (_what, value) => {
  expect(of(value)).toEqual([]);
});

test('several subjects are told apart, and one value may be of two', () => {
  expect([...of('ann@example.org bob@')].sort()).toEqual(['a', 'b']);
  const shared = new Tracer(hasher, [target('a', ['same']), target('b', ['same'])]);
  expect([...shared.ofValues({ x: 'the same' })].sort()).toEqual(['a', 'b']);
});

test('keys are found in their own topic only', () => {
  expect(tracer.ofKey('t', { id: 1n })).toEqual(['a']);
  expect(tracer.ofKey('t', { id: 2 })).toEqual([]);
  expect(tracer.ofKey('u', { id: 1 })).toEqual([]);
});

const nothing = { keys: false, values: false, overwritten: 'none', owners: 'none', texts: false };
const point = { lsn: '0/20', micros: '2000' };
const owner = (column: string, ...values: string[]): OwnedBefore => ({
  topic: 't',
  column,
  through: null,
  point,
  former: false,
  hashes: values.map((value) => hasher.key('t', { [column]: value })),
});
const hashOf = (id: number) => hasher.key('t', { id });
const overwrittenWith = (texts: readonly OverwrittenText[] | null): Partial<Target> => ({
  overwritten: [{ topic: 't', hashes: [hashOf(1)], point }],
  texts: new Map([['t', new Map([[hashOf(1), texts]])]]),
});

test('of each topic it is told by what something would be found there', () => {
  const known = new Tracer(hasher, [
    target('a', []),
    target('b', [], [1]),
    target('c', ['some']),
    target('d', [], [], { owners: [owner('customer', '7')], point }),
    target('e', [], [], { owners: [owner('customer', '7'), { ...owner('price'), hashes: null }], point }),
    target('g', [], [], { overwritten: [{ topic: 't', hashes: [hashOf(1)], point }] }),
    target('j', [], [], { overwritten: [{ topic: 't', hashes: [], point }] }),
    target('h', [], [], overwrittenWith([{ column: 'author', text: 'Ann' }])),
    target('i', [], [], overwrittenWith([])),
    target('k', [], [], overwrittenWith(null)),
  ]);
  const told = Object.fromEntries([...'abcdeghijk'].map((e) => [e, known.sought(e, 't')]));
  expect(told).toEqual({
    a: nothing,
    b: { ...nothing, keys: true },
    c: { ...nothing, values: true },
    d: { ...nothing, owners: 'all' },
    e: { ...nothing, owners: 'some' },
    g: { ...nothing, overwritten: 'all' },
    h: { ...nothing, overwritten: 'all', texts: true },
    i: { ...nothing, overwritten: 'all' },
    k: { ...nothing, overwritten: 'all' },
    j: { ...nothing, overwritten: 'some' },
  });
  expect(known.sought('b', 'u')).toEqual(nothing);
  expect(known.topics).toEqual(['t']);
});

const headers = (lsn: string, micros: string) => ({ lsn: Buffer.from(lsn), ts: Buffer.from(micros) });
const before = headers('0/10', '1000');

test('what a row was before is found by who it belonged to, and by the key of what was overwritten or deleted long ago', () => {
  const finds = new Tracer(hasher, [
    target('owned', [], [], { owners: [owner('customer', '7')], point }),
    target('anonymised', [], [], { overwritten: [{ topic: 't', hashes: [hashOf(1)], point }] }),
    target('former', [], [], { former: [{ topic: 't', hashes: [hashOf(2)], point }] }),
  ]);
  const of = (key: Row | null, row: Row | null, when: Headers = before) =>
    [...finds.ofEarlier('t', { key, row, headers: when }).found].sort();
  expect(of({ id: 9n }, { id: 9, customer: 7n })).toEqual(['owned']);
  expect(of({ id: 9n }, { id: 9, customer: 8n })).toEqual([]);
  expect(of({ id: 9n }, { id: 9, customer: null })).toEqual([]);
  expect(of({ id: 9n }, null)).toEqual([]);
  expect(of({ id: 1 }, { id: 1, customer: 8 })).toEqual(['anonymised']);
  expect(of({ id: 2 }, null)).toEqual(['former']);
  expect(finds.ofEarlier('u', { key: { id: 1 }, row: { customer: 7 }, headers: before }).found).toEqual([]);
  // Behind the point it is somebody else's, whichever of its two measures says so.
  for (const later of [headers('0/20', '1000'), headers('0/10', '2000'), headers('0/30', '3000')])
    expect(of({ id: 1 }, { id: 1, customer: 7 }, later)).toEqual([]);
  // Who does not say when it was may be as old as any.
  expect(of({ id: 1 }, { id: 1, customer: 7 }, {})).toEqual(['anonymised', 'owned']);
});

test('what only refers to a row that had been deleted before is told apart, and counts from its own point on', () => {
  const through = { topics: ['orders'], column: 'id' };
  const late = { lsn: '0/40', micros: '4000' };
  const finds = new Tracer(hasher, [
    target('a', [], [], {
      owners: [
        { ...owner('order', '13'), through },
        { ...owner('order', '99'), through, former: true, point: late },
      ],
      point: late,
    }),
  ]);
  const of = (order: number, when: Headers) =>
    finds.ofEarlier('t', { key: null, row: { order }, headers: when });
  expect(of(13, before)).toEqual({ found: ['a'], orphans: [] });
  expect(of(13, headers('0/30', '3000'))).toEqual({ found: [], orphans: [] });
  expect(of(99, headers('0/30', '3000'))).toEqual({ found: [], orphans: ['a'] });
});

test('whose a record was is not known where its row is not, or says no more than what it refers to', () => {
  const through = { topics: ['orders'], column: 'id' };
  const finds = new Tracer(hasher, [
    target('direct', [], [], { owners: [owner('customer', '7')], point }),
    target('child', [], [], { owners: [{ ...owner('order', '13'), through }], point }),
    target('other', [], [], { owners: [{ ...owner('customer', '7'), topic: 'u' }], point }),
    target('key', [], [1]),
  ]);
  const of = (row: Row | null, when: Headers = before) =>
    finds.ofUnknown('t', { key: null, row, headers: when });
  expect(of({ customer: 8, order: 5 })).toEqual(['child']);
  expect(of({ customer: null, order: 5 })).toEqual(['child']);
  expect(of({ order: 5 })).toEqual(['direct', 'child']);
  expect(of(null)).toEqual(['direct', 'child']);
  expect(of(null, headers('0/20', '2000'))).toEqual([]);
});

test('a row of a view that still has what was overwritten is a trace, in the column of that name or where there is none in any', () => {
  const texts = new Map([
    [
      't',
      new Map([
        [
          hashOf(1),
          [
            { column: 'author', text: 'Ann' },
            { column: 'mail', text: 'ann@x' },
          ],
        ],
      ]),
    ],
  ]);
  const overwritten = [{ topic: 't', hashes: [hashOf(1), hashOf(2)], point }];
  const finds = new Tracer(hasher, [
    target('a', [], [3], { overwritten, texts, former: [{ topic: 't', hashes: [hashOf(4)], point }] }),
  ]);
  const of = (id: number, row: Row) => finds.ofRow('t', { id }, { id, ...row });
  const clean = { byKey: [], byValue: [], former: [], elsewhere: [] };
  expect(of(1, { author: 'Ann', mail: null })).toEqual({ ...clean, byValue: ['a'] });
  expect(of(1, { author: 'somebody', contact: 'to ann@x' })).toEqual({ ...clean, elsewhere: ['a'] });
  expect(of(1, { author: 'somebody', mail: 'to ann@x' })).toEqual({ ...clean, byValue: ['a'] });
  expect(of(1, { author: 'somebody', mail: 'gone', note: 'by Ann' })).toEqual(clean);
  // Shorter than four it must be the whole.
  expect(of(1, { writer: 'Anna' })).toEqual(clean);
  expect(of(2, { author: 'Ann' })).toEqual(clean);
  expect(of(3, {})).toEqual({ ...clean, byKey: ['a'] });
  expect(of(4, {})).toEqual({ ...clean, former: ['a'] });
});

test('a thousand subjects whose values begin alike are searched about as fast as one', () => {
  const values = (n: number) => Array.from({ length: n }, (_, i) => `person${i}@example.org`);
  const rows = Array.from({ length: 5_000 }, (_, i) => ({
    id: i,
    email: `person${i + 1e6}@example.org`,
    note: 'x'.repeat(80),
  }));
  const time = (n: number) => {
    const traces = new Tracer(
      hasher,
      values(n).map((value, i) => target(`e${i}`, [value])),
    );
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      for (const row of rows) expect(traces.ofValues(row).length).toBe(0);
      best = Math.min(best, performance.now() - began);
    }
    return best;
  };
  const one = time(1);
  expect(time(1_000)).toBeLessThan(one * 10 + 50);
});
