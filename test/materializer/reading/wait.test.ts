import { expect, test } from 'vitest';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import type { Checkpoint } from '../../../core/position.ts';
import { type Chain, type WaitParts, waitUntilApplied } from '../../../materializer/reading/wait.ts';

/** A generation whose checkpoint the test moves. */
function generationOf(view: string, id: number) {
  let checkpoint: Checkpoint = new Map();
  let asked = 0;
  const generation = {
    view: { name: view, columns: {}, key: [] },
    id,
    checkpoint: async () => {
      asked++;
      return checkpoint;
    },
  } as unknown as Generation;
  return {
    generation,
    asked: () => asked,
    reach: (at: Record<string, number>) => {
      checkpoint = new Map(Object.entries(at));
    },
  };
}

const barrierAt = (lsn: bigint, ends: Record<string, number>) => ({
  id: 'b',
  lsn,
  content: {},
  ends: new Map(Object.entries(ends)),
});

function parts(overrides: Partial<WaitParts>): WaitParts {
  return {
    view: 'card',
    source: 'shop',
    barrier: async (_signal, written) => {
      written();
      return barrierAt(100n, { 'shop.a.t/0': 5, 'shop.a.t/1': 2, 'shop.a.other/0': 9 });
    },
    ends: async () => new Map(),
    chain: async () => null,
    ...overrides,
  };
}
const token = { after: 'shop:0/64', timeoutMs: 2_000 };
const soon = { after: 'shop:0/64', timeoutMs: 60 };

test('a view is waited for on the partitions of its own topic, no others', async () => {
  const card = generationOf('card', 1);
  card.reach({ 'shop.a.t/0': 5, 'shop.a.t/1': 1 });
  const chain = async (): Promise<Chain> => ({
    generation: card.generation,
    hops: [{ generation: card.generation, input: 'shop.a.t' }],
  });
  let done = false;
  const waiting = waitUntilApplied(parts({ chain }), token).finally(() => {
    done = true;
  });
  await expect.poll(() => card.asked()).toBeGreaterThan(2);
  expect(done).toBe(false);
  card.reach({ 'shop.a.t/0': 5, 'shop.a.t/1': 2 });
  expect(await waiting).toBe(card.generation);
});

test('of a view that reads a view, the end of the view topic is asked for after the first has passed', async () => {
  const base = generationOf('base', 1);
  const card = generationOf('card', 1);
  const chain = async (): Promise<Chain> => ({
    generation: card.generation,
    hops: [
      { generation: base.generation, input: 'shop.a.t' },
      { generation: card.generation, input: 'v.base.g1' },
    ],
  });
  const asked: string[] = [];
  const ends = async (topic: string) => {
    asked.push(topic);
    return new Map([['v.base.g1/0', 3]]);
  };
  const waiting = waitUntilApplied(parts({ chain, ends }), token);
  await expect.poll(() => base.asked()).toBeGreaterThan(2);
  expect(asked).toEqual([]);
  base.reach({ 'shop.a.t/0': 5, 'shop.a.t/1': 2 });
  await expect.poll(() => card.asked()).toBeGreaterThan(1);
  expect(asked).toEqual(['v.base.g1']);
  card.reach({ 'v.base.g1/0': 3 });
  expect(await waiting).toBe(card.generation);
  await expect(
    waitUntilApplied(parts({ chain, ends: async () => new Map([['v.base.g1/0', 4]]) }), soon),
  ).rejects.toMatchObject({
    message: expect.stringMatching('Generation 1 of "card" is 1 record behind on v.base.g1'),
  });
});

test('a swap in the middle of waiting is followed, from the first hop that changed', async () => {
  const blue = { base: generationOf('base', 1), card: generationOf('card', 1) };
  const green = { base: generationOf('base', 2), card: generationOf('card', 2) };
  let active = { ...blue, topic: 'v.base.g1' };
  const chain = async (): Promise<Chain> => ({
    generation: active.card.generation,
    hops: [
      { generation: active.base.generation, input: 'shop.a.t' },
      { generation: active.card.generation, input: active.topic },
    ],
  });
  blue.base.reach({ 'shop.a.t/0': 5, 'shop.a.t/1': 2 });
  const ends = async (topic: string) => new Map([[`${topic}/0`, topic === 'v.base.g1' ? 3 : 7]]);
  const waiting = waitUntilApplied(parts({ chain, ends }), token);
  await expect.poll(() => blue.card.asked()).toBeGreaterThan(1);
  active = { ...green, topic: 'v.base.g2' };
  // Green's own view is far ahead, but what it is made from is not.
  green.card.reach({ 'v.base.g2/0': 100 });
  blue.card.reach({ 'v.base.g1/0': 3 });
  let done = false;
  waiting.finally(() => {
    done = true;
  });
  await expect.poll(() => green.base.asked()).toBeGreaterThan(2);
  expect(done).toBe(false);
  green.base.reach({ 'shop.a.t/0': 5, 'shop.a.t/1': 2 });
  expect(await waiting).toBe(green.card.generation);
});

test('a barrier that lies before the token is not enough', async () => {
  const card = generationOf('card', 1);
  const chain = async (): Promise<Chain> => ({ generation: card.generation, hops: [] });
  let lsn = 0x62n;
  const barrier = async () => barrierAt(lsn++, {});
  expect(await waitUntilApplied(parts({ chain, barrier }), token)).toBe(card.generation);
  expect(lsn).toBe(0x65n);
});

test.each<[string, Partial<WaitParts>, string]>([
  [
    'the database does not take the barrier',
    { barrier: () => new Promise(() => {}) },
    'has not taken the barrier',
  ],
  [
    'the source does not pass it',
    {
      barrier: (_signal, written) => {
        written();
        return new Promise(() => {});
      },
    },
    'has not passed the barrier yet: it is not running, or behind',
  ],
  ['the view was never built', {}, 'was not built yet'],
  ['the store hangs', { chain: () => new Promise(() => {}) }, 'within 60 ms'],
])('a time-out says when %s', async (_what, overrides, message) => {
  const hanging: WaitParts['barrier'] | undefined = overrides.barrier;
  const abortable: Partial<WaitParts> = hanging
    ? {
        ...overrides,
        barrier: (signal, written) =>
          Promise.race([
            hanging(signal, written),
            new Promise<never>((_, no) => signal.addEventListener('abort', () => no(signal.reason))),
          ]),
      }
    : overrides;
  await expect(waitUntilApplied(parts(abortable), soon)).rejects.toMatchObject({
    code: 'READ_TIMEOUT',
    message: expect.stringMatching(message),
  });
});

test("a signal ends the waiting with its own reason, and a token or topic of another source is the caller's error", async () => {
  const stop = new AbortController();
  const waiting = waitUntilApplied(parts({}), { ...token, signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(waitUntilApplied(parts({}), { ...token, after: 'bank:0/1' })).rejects.toMatchObject({
    code: 'USAGE',
  });
  const card = generationOf('card', 1);
  const hops = [{ generation: card.generation, input: 'bank.a.t' }];
  const chain = async (): Promise<Chain> => ({ generation: card.generation, hops });
  await expect(waitUntilApplied(parts({ chain }), token)).rejects.toMatchObject({ code: 'USAGE' });
});
