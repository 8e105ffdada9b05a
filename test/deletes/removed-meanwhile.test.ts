import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../connectors/sink/memory/memory-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import { AppliedWatch } from '../../deletes/applied.ts';
import { loadErasureKey } from '../../deletes/erasure-key.ts';
import { type FinishParts, finishErasures } from '../../deletes/finish.ts';
import { type Journal, openJournal } from '../../deletes/journal.ts';
import { deleteKeys, newDelete } from '../../deletes/topic-deletes.ts';
import { verifyErasures } from '../../deletes/verify.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { endsOf } from '../../log/ends.ts';
import type { Log } from '../../log/log.ts';
import { type Catalog, openCatalog } from '../../materializer/generations/catalog.ts';
import { entryOf } from '../../materializer/generations/catalog-state.ts';
import { retire } from '../../materializer/generations/retire.ts';
import { customersTopic, temporaryFolder, topic } from '../materializer/customers.ts';
import { promoted, shapeOf, staged, staging } from '../materializer/generations/catalog-entries.ts';
import { instead } from '../support/instead.ts';

/** Generations 1, in grace, and 2, which readers see, of a view that others read; and what is deleted from its topic. */
const folder = temporaryFolder();
const { signal } = new AbortController();
const output = (generation: number) => `insideout.view.v.g${generation}`;
let log: EmbeddedLog;
let catalog: Catalog;
let journal: Journal;
let store: ViewStore;
let parts: FinishParts;
let id: string;
let n = 0;

beforeEach(async () => {
  log = await openEmbeddedLog({ path: folder.path(`${n++}.db`) });
  catalog = await openCatalog(log, 'insideout');
  journal = await openJournal(log, 'insideout');
  store = openMemoryStore();
  const customers = await customersTopic(log);
  await log.append([1, 2].map((of) => customers.upsert(of, { name: 'somebody', visits: 1 })));
  for (const generation of [1, 2]) {
    const of = staged('v', generation, {
      input: topic,
      output: output(generation),
      origin: { topic, key: { id: 'id' } },
    });
    await log.ensureTopics([{ name: output(generation), partitions: 1, cleanup: 'compact' }]);
    await log.append([{ ...customers.upsert(2, { name: 'kept', visits: 1 }), topic: output(generation) }]);
    await catalog.record(staging(catalog.state, [of]));
    await catalog.record(promoted([['v', generation === 1 ? null : 1, generation]]));
  }
  const key = loadErasureKey(folder.path(`${n}.pem`), { create: true });
  const common = { log, journal, hasher: key.hasher, namespace: 'insideout', signal };
  const [erasure] = await deleteKeys(topic, [newDelete({ id: 1 })], { ...common, sources: [] });
  id = erasure!.id;
  const { end } = (await log.offsets([topic])).get(`${topic}/0`)!;
  for (const generation of [1, 2]) {
    const opened = await store.open(shapeOf('v'), generation);
    const claim = await opened.claim(topic, 0);
    await opened.apply(claim, { topic, partition: 0, from: 0, next: end, changes: [] });
  }
  parts = {
    ...common,
    logFiles: null,
    catalog,
    store: async () => store,
    places: [{ view: 'v', store: 'a' }],
    shred: null,
    key,
    kept: { file: '', altered: [] },
    origin: null,
    known: new Map(),
    left: async () => null,
  };
});
afterEach(async () => {
  await catalog.close();
  await journal.close();
  await log.close();
});

const removeFormer = () =>
  retire([entryOf(catalog.state, 'v', 1)!], { catalog, log, store: async () => store, signal });

/** The Log, in which the former generation is removed once, just before this is called. */
function removedAt(method: 'compact' | 'consume'): Log {
  let removed: Promise<void> | null = null;
  const once = () => {
    removed ??= removeFormer();
    return removed;
  };
  return instead<Log>(log, {
    compact: async (...args: Parameters<Log['compact']>) => {
      if (method === 'compact') await once();
      return log.compact(...args);
    },
    async *consume(request: Parameters<Log['consume']>[0]) {
      if (method === 'consume' && request.topics.includes(output(1))) await once();
      yield* log.consume(request);
    },
  });
}

test.each(['compact', 'consume'] as const)(
  'a former generation that is removed while an erasure is finished, before its topic is read (%s), is no failure',
  async (method) => {
    const [erasure] = await finishErasures([id], { ...parts, log: removedAt(method) });
    expect(entryOf(catalog.state, 'v', 1)!.state).toBe('retired');
    expect(erasure!.phase).toBe('completed');
    const names = erasure!.places.map((place) => place.name);
    expect(names).toEqual(expect.arrayContaining([topic, output(2), 'a/v g2']));
    expect(names).not.toEqual(expect.arrayContaining([output(1)]));
    expect(await store.generations('v')).toEqual([2]);
  },
);

test('nor is one that is removed while erasures are verified', async () => {
  const [erasure] = await finishErasures([id], parts);
  const [verified] = await verifyErasures([erasure!], {
    ...parts,
    log: removedAt('consume'),
    kept: { altered: [], missing: [] },
  });
  expect([entryOf(catalog.state, 'v', 1)!.state, verified!.ok]).toEqual(['retired', true]);
});

test('nor is one whose topic is deleted, and its removal written down a moment later', async () => {
  const [erasure] = await finishErasures([id], parts);
  const step = (type: 'retiring' | 'retired') => catalog.record({ type, view: 'v', generation: 1 });
  await step('retiring');
  let writtenDown: Promise<unknown> | null = null;
  const deleted = instead<Log>(log, {
    async *consume(request: Parameters<Log['consume']>[0]) {
      if (request.topics.includes(output(1)) && !writtenDown) {
        await log.deleteTopics([output(1)]);
        writtenDown = new Promise((resolve) => setTimeout(resolve, 100)).then(() => step('retired'));
      }
      yield* log.consume(request);
    },
  });
  const kept = { altered: [], missing: [] };
  const [verified] = await verifyErasures([erasure!], { ...parts, log: deleted, kept });
  expect(verified!.ok).toBe(true);
  await writtenDown;
  expect(writtenDown).not.toBeNull();
});

test('what else is wrong with the Log is told', async () => {
  const failing = instead<Log>(log, {
    compact: async () => {
      throw new Error('no room');
    },
  });
  await expect(finishErasures([id], { ...parts, log: failing })).rejects.toThrow('no room');
});

test('a generation is waited for from when its removal is begun until it is gone, and is not made anew', async () => {
  await catalog.record({ type: 'retiring', view: 'v', generation: 1 });
  const watch = new AppliedWatch({ ...parts, ends: await endsOf(log, [topic]) });
  const behind = await watch.look();
  expect(behind.map(({ entry, reason }) => [entry.generation, reason])).toEqual([
    [1, expect.stringContaining('insideout retire v 1')],
  ]);
  await store.drop('v', 1);
  expect(await watch.look()).toHaveLength(1);
  await removeFormer();
  expect(await watch.look()).toEqual([]);
  expect(await store.generations('v')).toEqual([2]);
});
