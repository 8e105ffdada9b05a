import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLsn, parseLsn } from '../../core/lsn.ts';

test('an LSN survives printing and parsing over its whole range', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (lsn) => {
      expect(parseLsn(formatLsn(lsn))).toBe(lsn);
    }),
  );
});

test('LSNs compare as numbers where their texts would not', () => {
  expect(parseLsn('10/0') > parseLsn('9/FFFFFFFF')).toBe(true);
  expect(formatLsn(0x16b374d848n)).toBe('16/B374D848');
});

test.each(['', '16', '16/', 'G/0', '123456789/0', '1/2/3'])('"%s" is refused', (text) => {
  expect(() => parseLsn(text)).toThrow(RangeError);
});
