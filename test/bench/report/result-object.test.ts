import { expect, test } from 'vitest';
import type { CaseRun, Side } from '../../../bench/cases/case.ts';
import { resultObject } from '../../../bench/report/result-object.ts';

const side = (name: string, recordsPerSecond: number): Side => ({
  name,
  measured: { recordsPerSecond, cpuSecondsPerMillion: 10, peakRssMb: 100, firstSeconds: 1, totalSeconds: 9 },
});

const run = (parts: { ours: number; slow: number; peer: number }): CaseRun => ({
  ours: side('insideout', parts.ours),
  ceilings: [
    { name: 'fast', recordsPerSecond: 900 },
    { name: 'slow', recordsPerSecond: parts.slow },
    { name: 'only shown', recordsPerSecond: 1, compared: false },
  ],
  peers: [side('first', parts.peer), side('second', 1)],
});

const runs = [
  run({ ours: 80, slow: 100, peer: 20 }),
  run({ ours: 45, slow: 50, peer: 15 }),
  run({ ours: 60, slow: 100, peer: 30 }),
];

test('ratios are medians of those inside each run, and not ratios of medians', () => {
  const { ratioToCeiling, ratioToPeer, ours, ceiling, peer } = resultObject('x', 10, runs);
  expect(ours.recordsPerSecond).toBe(60);
  expect(ceiling).toEqual({ name: 'slow', recordsPerSecond: 100 });
  expect(ratioToCeiling).toBe(0.8);
  expect(peer).toMatchObject({ name: 'first', recordsPerSecond: 20 });
  expect(ratioToPeer).toBe(3);
});

test('a case without peers and latency says null for them, and has all other members', () => {
  const found = resultObject(
    'x',
    10,
    runs.map((r) => ({ ...r, peers: [] })),
  );
  expect(Object.keys(found)).toEqual([
    'case',
    'records',
    'ours',
    'ceiling',
    'peer',
    'ratioToCeiling',
    'ratioToPeer',
    'latencyMs',
  ]);
  expect(found).toMatchObject({ peer: null, ratioToPeer: null, latencyMs: null });
});
