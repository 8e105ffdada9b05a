import { expect, test } from 'vitest';
import { type Place, sameStates } from '../../deletes/place.ts';
import { waitsForRetention } from '../../deletes/topic-places.ts';

const log = {
  tombstoneRetention: async (topics: readonly string[]) =>
    new Map(topics.filter((topic) => topic.startsWith('compacted')).map((topic) => [topic, 1_000] as const)),
};
const place = (kind: Place['kind'], name: string, state: Place['state'] = 'applied'): Place => ({
  kind,
  name,
  state,
  reason: 'So it is.',
  at: Math.random(),
  read: null,
});
const kept = place('topic', 'kept');

test.each<[string, readonly (readonly Place[])[], boolean]>([
  ['of a topic that is not compacted', [[kept, place('table', 't', 'verified')], [kept]], true],
  ['of a compacted topic', [[place('topic', 'compacted')]], false],
  ['of both', [[kept], [place('topic', 'compacted')]], false],
  ['of a generation beside it', [[kept, place('generation', 'g')]], false],
  ['of none, while a generation is behind', [[place('generation', 'g', 'pending')]], false],
  ['of none', [[place('topic', 'kept', 'verified')]], false],
])('whether only the retention of topics takes away the traces %s: %s', async (_of, lists, waits) => {
  expect(await waitsForRetention(lists, log)).toBe(waits);
});

test('places are in the same states whatever their order, reasons and times, and in others when one is', () => {
  const other = place('table', 't');
  expect(
    sameStates(
      [kept, other],
      [
        { ...other, reason: 'Another.' },
        { ...kept, at: 7 },
      ],
    ),
  ).toBe(true);
  expect(sameStates([kept, other], [kept, { ...other, state: 'verified' }])).toBe(false);
  expect(sameStates([kept, other], [kept])).toBe(false);
});
