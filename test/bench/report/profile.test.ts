import { expect, test } from 'vitest';
import { type CpuProfile, packageTimes, selfTimes } from '../../../bench/report/profile.ts';

const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });

const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)', ''), children: [2, 5] },
    { id: 2, callFrame: frame('send', 'file:///x/node_modules/kafkajs/dist/send.js'), children: [3] },
    { id: 3, callFrame: frame('alloc', 'node:buffer') },
    { id: 4, callFrame: frame('(idle)', '') },
    { id: 5, callFrame: frame('encode', 'file:///x/dist/log/avro.js') },
  ],
  samples: [2, 3, 4, 5, 3],
  timeDeltas: [1_000, 2_000, 50_000, 4_000, 3_000],
};

test('functions are ordered by the time in themselves, of the time that was not idle', () => {
  expect(selfTimes(profile).map(({ name, ms, share }) => [name, ms, share])).toEqual([
    ['alloc node:buffer:10', 5, 0.5],
    ['encode log/avro.js:10', 4, 0.4],
    ['send kafkajs/dist/send.js:10', 1, 0.1],
  ]);
});

test("what is Node's own counts for the package that called it", () => {
  expect(packageTimes(profile).map(({ name, ms }) => [name, ms])).toEqual([
    ['kafkajs', 6],
    ['log', 4],
  ]);
});
