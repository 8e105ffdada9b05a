import { expect, test } from 'vitest';
import type { Value } from '../../core/value.ts';
import { KeyHasher, keyText } from '../../deletes/key-hash.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const of = (value: Value, topic = 't') => hasher.key(topic, { k: value });

test.each<[string, string, Value[]]>([
  ['an int', '42', [42, 42n, '42']],
  ['an int8', '9223372036854775807', [9223372036854775807n, '9223372036854775807']],
  ['a negative number', '-7', [-7, -7n]],
  ['a bool', 'true', [true, 'true']],
  ['bytes', '\\x00ff', [Uint8Array.of(0, 255), Buffer.from([0, 255])]],
  ['a float', '0.1', [0.1]],
  ['a large float', '100000000000000000000', [1e20]],
  ['a text', 'it\'s "é"', ['it\'s "é"']],
])('%s is the same key out of Postgres as text, out of the Log, and out of a view', (_type, text, values) => {
  for (const value of values) expect([value, of(value)]).toEqual([value, of(text)]);
  for (const value of values) expect(keyText(value)).toBe(text);
});

test('the order of columns does not count, their names and the topic do', () => {
  expect(hasher.key('t', { a: 1, b: 2 })).toBe(hasher.key('t', { b: 2, a: 1 }));
  expect(hasher.key('t', { a: 1, b: 2 })).not.toBe(hasher.key('t', { a: 2, b: 1 }));
  expect(hasher.key('t', { a: 1 })).not.toBe(hasher.key('t', { b: 1 }));
  expect(of(1, 't')).not.toBe(of(1, 'u'));
});

test('values do not run into each other, and a key is no subject', () => {
  expect(hasher.key('t', { a: '1,b', b: '2' })).not.toBe(hasher.key('t', { a: '1', b: 'b,2' }));
  expect(hasher.subject('key', 't')).not.toBe(hasher.key('t', {}));
  expect(hasher.subject('customer', '1')).not.toBe(hasher.subject('supplier', '1'));
});

test('without the secret a guess cannot be tested', () => {
  expect(new KeyHasher(Buffer.from('other')).key('t', { k: 1 })).not.toBe(of(1));
  expect(of(1)).toMatch(/^[0-9a-f]{32}$/);
});
