import { expect, test } from 'vitest';
import { endOf, timeOf } from '../../core/lifetime.ts';

test.each([
  ['2026-01-02 03:04:05+00', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02 03:04:05.678901+00', Date.UTC(2026, 0, 2, 3, 4, 5, 679)],
  ['2026-01-02 03:04:05.9999+00', Date.UTC(2026, 0, 2, 3, 4, 6)],
  ['2026-01-02 03:04:05.069', Date.UTC(2026, 0, 2, 3, 4, 5, 69)],
  ['2026-01-02 03:04:05.001', Date.UTC(2026, 0, 2, 3, 4, 5, 1)],
  ['2026-01-02 03:04:05+05:30', Date.UTC(2026, 0, 1, 21, 34, 5)],
  ['2026-01-02 03:04:05-03', Date.UTC(2026, 0, 2, 6, 4, 5)],
  ['1900-01-01 00:00:00+00:19:32', Date.UTC(1899, 11, 31, 23, 40, 28)],
  ['2026-01-02T03:04:05.678Z', Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
  ['2026-01-02', Date.UTC(2026, 0, 2)],
  ['12026-01-02 00:00:00', Date.UTC(12_026, 0, 2)],
  ['0001-01-01 00:00:00', Date.parse('0001-01-01T00:00:00Z')],
  ['0001-12-31 00:00:00 BC', Date.parse('0000-12-31T00:00:00Z')],
  ['0044-03-15 12:00:00+00 BC', Date.parse('-000043-03-15T12:00:00Z')],
])('%s is a time', (text, ms) => {
  expect(timeOf(text)).toBe(ms);
});

test('null and infinity never end, and minus infinity has ended', () => {
  expect(timeOf(null)).toBeNull();
  expect(timeOf('infinity')).toBeNull();
  expect(timeOf('294276-12-31 23:59:59')).toBeNull();
  expect(timeOf('-infinity')).toBe(Number.NEGATIVE_INFINITY);
});

test.each(['', '12:00:00', '1 day', 'now', '2026-01-02 03:04', 'x2026-01-02', 5, 5n, {}])(
  '%s is no time',
  (value) => {
    expect(() => timeOf(value)).toThrow(TypeError);
  },
);

test('a row ends its ttl after the time in its column', () => {
  const columns = { id: 'bigint', at: 'timestamp' } as const;
  const end = endOf({ name: 'v', columns, key: ['id'], ttl: { column: 'at', ms: 1_500 } });
  expect(end?.({ id: 1n, at: '1970-01-01 00:00:01+00' })).toBe(2_500);
  expect(end?.({ id: 1n, at: null })).toBeNull();
  expect(endOf({ name: 'v', columns, key: ['id'] })).toBeNull();
});
