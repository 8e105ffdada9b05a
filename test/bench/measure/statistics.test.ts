import { expect, test } from 'vitest';
import { median, percentile, spread } from '../../../bench/measure/statistics.ts';

test('a percentile is a value that was measured: the nearest rank', () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  expect(percentile(values, 0.5)).toBe(100);
  expect(percentile(values, 0.99)).toBe(198);
  expect(percentile(values, 1)).toBe(200);
  expect(percentile([7], 0.5)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

test('the median of an even number of values lies between the two in the middle, in whatever order they come', () => {
  expect(median([10, 9, 100, 2])).toBe(9.5);
  expect(median([30, 2, 10])).toBe(10);
  expect(spread([10, 9, 100])).toEqual({ median: 10, min: 9, max: 100 });
});
