import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Row, Value } from '../../../core/value.ts';
import { rowHasher, sameHash } from '../../../materializer/generations/compare-hash.ts';

const hasher = rowHasher(['id'], ['id', 'a', 'b'], 1);
const hashOf = (value: Value) => {
  const { high, low } = hasher.value(value);
  return `${high}/${low}`;
};

const unequal: Value[] = [
  null,
  false,
  true,
  0,
  -0,
  1,
  0n,
  1n,
  -1n,
  1n << 62n,
  1n << 80n,
  '',
  '0',
  '1',
  'ab',
  'ba',
  'a\0',
  'a',
  'é',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.MIN_VALUE,
  new Uint8Array(),
  new Uint8Array([0]),
  new Uint8Array([0, 0]),
  new Uint8Array([97]),
  [],
  [[]],
  [[], []],
  [null],
  [1],
  ['1'],
  [1n],
  ['ab', 'c'],
  ['a', 'bc'],
  [['a'], 'bc'],
  [new Uint8Array([1])],
  {},
  { a: 1 },
  { b: 1 },
  { a: { b: 1 } },
];

test('values that are not the same have different hashes, whatever their type', () => {
  const hashes = unequal.map(hashOf);
  expect(new Set(hashes).size).toBe(unequal.length);
});

test('the same value has the same hash, however it is kept', () => {
  const otherNaN = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0]!;
  expect(hashOf(otherNaN)).toBe(hashOf(Number.NaN));
  expect(hashOf(Buffer.from([1, 2, 3, 4, 5]))).toBe(hashOf(new Uint8Array([1, 2, 3, 4, 5])));
  expect(hashOf(new Uint8Array([9, 1, 2]).subarray(1))).toBe(hashOf(new Uint8Array([1, 2])));
  expect(hashOf({ a: 1, b: 2 })).toBe(hashOf({ b: 2, a: 1 }));
});

test('an absent column is a null one, and a column that is not compared counts for nothing', () => {
  const row = hasher.row({ id: 1n, a: 'x', b: null });
  expect(hasher.row({ id: 1n, a: 'x' })).toEqual(row);
  expect(hasher.row({ id: 1n, other: 5, a: 'x' })).toEqual(row);
  expect(hasher.row({ id: 1n, a: null, b: 'x' })).not.toEqual(row);
});

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.string(),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array(),
  fc.array(fc.oneof(fc.string(), fc.integer())),
);

test('values that trade places between two rows or two columns change the sum', () => {
  const sum = (rows: Row[]) => {
    let high = 0;
    let low = 0;
    for (const row of rows) {
      const hash = hasher.row(row);
      high = (high + hash.high) >>> 0;
      low = (low + hash.low) >>> 0;
    }
    return { high, low };
  };
  fc.assert(
    fc.property(value, value, value, (a, b, other) => {
      fc.pre(hashOf(a) !== hashOf(b));
      const straight = sum([
        { id: 1n, a, b: other },
        { id: 2n, a: b, b: other },
      ]);
      const crossed = sum([
        { id: 1n, a: b, b: other },
        { id: 2n, a, b: other },
      ]);
      expect(sameHash(straight, crossed)).toBe(false);
      expect(sameHash(sum([{ id: 1n, a, b }]), sum([{ id: 1n, a: b, b: a }]))).toBe(false);
    }),
  );
});

test('of a million rows that differ in one digit no two share a hash, and the ranges fill evenly', () => {
  const seen = new Set<number>();
  const counts = new Uint32Array(256);
  const rows = 1_000_000;
  for (let id = 0; id < rows; id++) {
    hasher.add({ id, a: 'the same', b: null });
    seen.add(hasher.high * 2 ** 21 + (hasher.low >>> 11));
    counts[hasher.range % 256]!++;
  }
  expect(seen.size).toBe(rows);
  // Fair dice stay within five standard deviations of 3,906.
  expect(Math.min(...counts)).toBeGreaterThan(3_906 - 5 * 62.5);
  expect(Math.max(...counts)).toBeLessThan(3_906 + 5 * 62.5);
});
