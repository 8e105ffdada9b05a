import { expect, test } from 'vitest';
import { between } from '../../../bench/measure/counted.ts';

const usage = (cpuSeconds: number, peakRssMb: number) => ({ cpuSeconds, peakRssMb });

test('rates leave out starting up, and what had come by the first look', () => {
  const measured = between(
    { at: 3_000, counted: 1_000, usage: usage(2, 100) },
    { at: 13_000, counted: 101_000, usage: usage(7, 150) },
    { startedAt: 1_000, perRecord: 1 },
  );
  expect(measured).toEqual({
    recordsPerSecond: 10_000,
    cpuSecondsPerMillion: 50,
    peakRssMb: 150,
    firstSeconds: 2,
    totalSeconds: 12,
  });
});

test('a side that writes two records for some changes is measured in changes', () => {
  const measured = between(
    { at: 0, counted: 110, usage: usage(0, 1) },
    { at: 1_000, counted: 1_210, usage: usage(1, 1) },
    { startedAt: 0, perRecord: 1.1 },
  );
  expect(measured.recordsPerSecond).toBeCloseTo(1_000);
  expect(measured.cpuSecondsPerMillion).toBeCloseTo(1_000);
});

test('what came all at once is measured from the start of the process', () => {
  const only = { at: 5_000, counted: 500, usage: usage(2, 80) };
  expect(between(only, only, { startedAt: 3_000, perRecord: 1 })).toMatchObject({
    recordsPerSecond: 250,
    cpuSecondsPerMillion: 4_000,
  });
});
