import { expect, test } from 'vitest';
import { regressions } from '../../../bench/report/kept-ratios.ts';

const kept = { 'sink-redis': { ceiling: 'bare ioredis', ratio: 0.8, peakRssMb: 200 } };
const now = (change: Partial<(typeof kept)['sink-redis']>) => ({
  'sink-redis': { ...kept['sink-redis'], ...change },
});

test('what noise explains is no regression', () => {
  expect(regressions(kept, now({ ratio: 0.66, peakRssMb: 240 }))).toEqual([]);
  expect(regressions(kept, now({ ratio: 1.2, peakRssMb: 90 }))).toEqual([]);
});

test('a lower ratio and more memory are told, each by itself', () => {
  expect(regressions(kept, now({ ratio: 0.6 }))).toEqual(['sink-redis: 0.60 of bare ioredis, and was 0.80']);
  expect(regressions(kept, now({ peakRssMb: 300 }))).toEqual(['sink-redis: 300 MB, and was 200 MB']);
});

test('a ratio to something else is not compared', () => {
  expect(regressions(kept, now({ ceiling: 'bare kafkajs', ratio: 0.1 }))).toEqual([
    'sink-redis: its slowest part was bare ioredis and is bare kafkajs: keep the ratios anew',
  ]);
});
