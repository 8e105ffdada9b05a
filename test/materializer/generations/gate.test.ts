import { expect, test } from 'vitest';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import type { Log } from '../../../log/log.ts';
import type { Catalog } from '../../../materializer/generations/catalog.ts';
import type { GenerationEntry } from '../../../materializer/generations/catalog-state.ts';
import { passGate } from '../../../materializer/generations/gate.ts';

const shape = (name: string) => ({ name, columns: { id: 'bigint' as const }, key: ['id'] });

const entry = (view: string, generation: number, parts: Partial<GenerationEntry>) =>
  ({
    view,
    generation,
    shape: shape(view),
    store: 'local',
    fingerprint: `${generation}`,
    input: 'shop.public.orders',
    output: null,
    epoch: generation,
    reason: 'rebuild',
    state: 'building',
    stagedAt: 0,
    promotedAt: null,
    replacedAt: null,
    ...parts,
  }) as GenerationEntry;

/** Two chained views under a load that never ends: whoever is asked later has got further. */
function busy(options: { stuck?: string } = {}) {
  let clock = 1_000;
  const topic = (g: number) => `insideout.view.card.g${g}`;
  const blue = [
    entry('card', 1, { state: 'active', output: topic(1) }),
    entry('open', 1, { state: 'active', input: topic(1) }),
  ];
  const green = [entry('card', 2, { output: topic(2) }), entry('open', 2, { input: topic(2) })];
  const store = {
    active: async () => 1,
    find: async (view: { name: string }, id: number) => ({
      // What is asked for at the same moment: blue is ahead, and nobody is at the end.
      checkpoint: async () => {
        const { input } = [...blue, ...green].find((e) => e.view === view.name && e.generation === id)!;
        const next = options.stuck === view.name && id === 2 ? 0 : clock++ - (id === 1 ? 5 : 20);
        return new Map([[`${input}/0`, next]]);
      },
    }),
  } as unknown as ViewStore;
  return {
    entries: green,
    catalog: { state: { generations: [...blue, ...green], history: [], lastEpoch: 2 } } as unknown as Catalog,
    log: {
      offsets: async ([name]: string[]) => new Map([[`${name}/0`, { first: 0, end: clock++ }]]),
    } as unknown as Log,
    store: async () => store,
    compare: false,
    maxLag: 100,
    steadyMs: 300,
    signal: new AbortController().signal,
  };
}

test('views that keep up with a busy input pass, although at no single moment they are at or past blue', async () => {
  const reports = await passGate({ ...busy(), waitMs: 10_000 });
  expect(reports.map((r) => [r.view, r.passed])).toEqual([
    ['card', true],
    ['open', true],
  ]);
});

test('a view that never gets to where blue was when it was asked is refused, and named', async () => {
  const reports = await passGate({ ...busy({ stuck: 'card' }), waitMs: 0, steadyMs: 0, maxLag: 1_000_000 });
  expect(reports.map((r) => [r.view, r.missing])).toEqual([
    ['card', ['is not as far as the active generation']],
    ['open', ['is not as far as the active generation']],
  ]);
});

test('a blue that is past the end of a restored Log does not hold up the green that is at the end', async () => {
  const blue = entry('card', 1, { state: 'active' });
  const green = entry('card', 2, {});
  const store = {
    active: async () => 1,
    find: async (_view: unknown, id: number) => ({
      checkpoint: async () => new Map([['shop.public.orders/0', id === 1 ? 500 : 100]]),
    }),
  } as unknown as ViewStore;
  const [report] = await passGate({
    entries: [green],
    catalog: { state: { generations: [blue, green], history: [], lastEpoch: 2 } } as unknown as Catalog,
    log: {
      offsets: async () => new Map([['shop.public.orders/0', { first: 0, end: 100 }]]),
    } as unknown as Log,
    store: async () => store,
    compare: false,
    maxLag: 0,
    steadyMs: 0,
    waitMs: 0,
    signal: new AbortController().signal,
  });
  expect(report).toMatchObject({ passed: true, missing: [] });
});
