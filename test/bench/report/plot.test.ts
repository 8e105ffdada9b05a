import { expect, test } from 'vitest';
import { barPlot } from '../../../bench/report/plot.ts';

test('a plot is an SVG whose longest bar is the largest value, with names escaped', () => {
  const svg = barPlot('a < b', [
    { name: 'ours & more', value: 50, kind: 'ours' },
    { name: 'peer', value: 100, kind: 'peer' },
  ]);
  expect(svg).toContain('a &lt; b');
  expect(svg).toContain('ours &amp; more');
  const lengths = [...svg.matchAll(/rx="3"/g)].length;
  expect(lengths).toBe(2);
  const [ours, peer] = [...svg.matchAll(/width="([\d.]+)" height="22"/g)].map((found) => Number(found[1]));
  expect(ours! / peer!).toBeCloseTo(0.5);
});
