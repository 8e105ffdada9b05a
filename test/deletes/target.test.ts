import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { type Target, Tracer } from '../../deletes/target.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const target = (erasure: string, telling: readonly string[], keys: readonly number[] = []): Target => ({
  erasure,
  keys: new Map([['t', new Set(keys.map((id) => hasher.key('t', { id })))]]),
  telling,
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

test('where neither a key nor a value is known, nothing can be said', () => {
  const blind = new Tracer(hasher, [target('a', []), target('b', [], [1]), target('c', ['some'])]);
  expect(['a', 'b', 'c'].map((e) => blind.looksFor(e, 't'))).toEqual([false, true, true]);
  expect(blind.looksFor('b', 'u')).toBe(false);
  expect(blind.topics).toEqual(['t']);
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
