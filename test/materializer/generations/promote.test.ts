import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { type Catalog, openCatalog } from '../../../materializer/generations/catalog.ts';
import { activeOf, entryOf, openPromotions } from '../../../materializer/generations/catalog-state.ts';
import { movePointers, settlePromotions } from '../../../materializer/generations/promote.ts';
import { temporaryFolder } from '../customers.ts';
import { Crash } from '../faults.ts';
import { promoted, shapeOf, staged, staging } from './catalog-entries.ts';

const folder = temporaryFolder();
let log: EmbeddedLog;
let catalog: Catalog;
let stores: Record<string, ViewStore>;
let n = 0;

/** The view `v` in store `a` and `w` in store `b`: generation 1 is seen by readers, 2 is being built. */
beforeEach(async () => {
  log = await openEmbeddedLog({ path: folder.path(`${n++}.db`) });
  catalog = await openCatalog(log, 'insideout');
  stores = { a: openMemoryStore(), b: openMemoryStore() };
  for (const id of [1, 2]) {
    await catalog.record(
      staging(
        catalog.state,
        [staged('v', id, { store: 'a' }), staged('w', id, { store: 'b' })],
        id === 1 ? 'first' : 'rebuild',
      ),
    );
    await stores.a!.open(shapeOf('v'), id);
    await stores.b!.open(shapeOf('w'), id);
    if (id === 2) continue;
    await stores.a!.promote([{ view: shapeOf('v'), from: null, to: 1 }]);
    await stores.b!.promote([{ view: shapeOf('w'), from: null, to: 1 }]);
    await catalog.record(
      promoted(
        [
          ['v', null, 1],
          ['w', null, 1],
        ],
        'first',
      ),
    );
  }
});
afterEach(async () => {
  await catalog.close();
  await log.close();
});

const store = async (name: string) => stores[name]!;
const green = () => ['v', 'w'].map((view) => entryOf(catalog.state, view, 2)!);
const pointers = async () => [await stores.a!.active('v'), await stores.b!.active('w')];
const promote = (of: (name: string) => Promise<ViewStore> = store) =>
  movePointers({ catalog, store: of, entries: green(), kind: 'promote', gate: [], forced: false });
const lastEvent = () => catalog.state.history.at(-1)?.type;

test('pointers of two stores move, and the catalog says so', async () => {
  await promote();
  expect(await pointers()).toEqual([2, 2]);
  expect(activeOf(catalog.state, 'v')?.generation).toBe(2);
  expect(entryOf(catalog.state, 'w', 1)?.state).toBe('grace');
  expect(openPromotions(catalog.state)).toEqual([]);
});

test('when the second store refuses, the first is moved back and nothing has happened', async () => {
  await stores.b!.open(shapeOf('w'), 3);
  const refuses = { ...stores.b!, promote: async () => false };
  await expect(promote(async (name) => (name === 'b' ? refuses : stores[name]!))).rejects.toMatchObject({
    code: 'CATALOG_CONFLICT',
  });
  expect(await pointers()).toEqual([1, 1]);
  expect(lastEvent()).toBe('notPromoted');
});

/** The process dies when it moves the pointer of this store, and moves nothing back. */
async function dieAt(name: string): Promise<void> {
  let dead = false;
  const dying = async (of: string): Promise<ViewStore> => ({
    ...stores[of]!,
    promote: async (moves) => {
      dead ||= of === name;
      if (dead) throw new Crash();
      return stores[of]!.promote(moves);
    },
  });
  await expect(promote(dying)).rejects.toBeInstanceOf(Crash);
}

test('a crash before any pointer moved is settled as if nothing had been begun', async () => {
  await dieAt('a');
  expect(openPromotions(catalog.state)).toHaveLength(1);
  await settlePromotions(catalog, store);
  expect(await pointers()).toEqual([1, 1]);
  expect(activeOf(catalog.state, 'v')?.generation).toBe(1);
  expect(lastEvent()).toBe('notPromoted');
});

test('a crash between two stores is settled by moving the other, too', async () => {
  await dieAt('b');
  expect(await pointers()).toEqual([2, 1]);
  await settlePromotions(catalog, store);
  expect(await pointers()).toEqual([2, 2]);
  expect(['v', 'w'].map((view) => activeOf(catalog.state, view)?.generation)).toEqual([2, 2]);
});

test('a crash after all pointers moved is settled by writing it down', async () => {
  const dies: Catalog = Object.create(catalog, {
    state: { get: () => catalog.state },
    record: {
      value: async (happening: Parameters<Catalog['record']>[0]) => {
        if (happening.type === 'promoted') throw new Crash();
        return catalog.record(happening);
      },
    },
  });
  const moving = { store, entries: green(), kind: 'promote', gate: [], forced: true } as const;
  await expect(movePointers({ ...moving, catalog: dies })).rejects.toBeInstanceOf(Crash);
  expect(await pointers()).toEqual([2, 2]);
  expect(activeOf(catalog.state, 'v')?.generation).toBe(1);
  await settlePromotions(catalog, store);
  expect(catalog.state.history.at(-1)).toMatchObject({ type: 'promoted', forced: true });
  expect(activeOf(catalog.state, 'v')?.generation).toBe(2);
});

test('settling again, or by two processes at once, changes nothing more', async () => {
  await dieAt('b');
  const other = await openCatalog(log, 'insideout');
  await Promise.all([settlePromotions(catalog, store), settlePromotions(other, store)]);
  const { generations } = await catalog.refresh();
  await settlePromotions(catalog, store);
  expect(catalog.state.generations.map((g) => g.state)).toEqual(generations.map((g) => g.state));
  expect(await pointers()).toEqual([2, 2]);
  expect(openPromotions(catalog.state)).toEqual([]);
  await other.close();
});

test('a promotion that another process takes for a crashed one in the middle ends the same', async () => {
  const meddled = async (name: string): Promise<ViewStore> => ({
    ...stores[name]!,
    promote: async (moves) => {
      if (name === 'b') await settlePromotions(catalog, store);
      return stores[name]!.promote(moves);
    },
  });
  await promote(meddled);
  expect(await pointers()).toEqual([2, 2]);
  expect(['v', 'w'].map((view) => activeOf(catalog.state, view)?.generation)).toEqual([2, 2]);
});

test('when the rest of a crashed promotion is elsewhere by now, all go back', async () => {
  await dieAt('b');
  await stores.b!.open(shapeOf('w'), 9);
  await stores.b!.promote([{ view: shapeOf('w'), from: 1, to: 9 }]);
  await settlePromotions(catalog, store);
  expect(await pointers()).toEqual([1, 9]);
  expect(lastEvent()).toBe('notPromoted');
});

test('a promotion that may still be at work is left alone', async () => {
  await dieAt('b');
  await settlePromotions(catalog, store, 60_000);
  expect(await pointers()).toEqual([2, 1]);
  expect(openPromotions(catalog.state)).toHaveLength(1);
});

test('readers do not stay with a generation that was retired while it was promoted', async () => {
  const meddled = async (name: string): Promise<ViewStore> => ({
    ...stores[name]!,
    promote: async (moves) => {
      // Another process takes the promotion for a crashed one, and gives the generation up.
      if (name === 'a' && moves[0]!.to === 2) {
        await settlePromotions(catalog, store);
        await catalog.record({ type: 'retiring', view: 'v', generation: 2 });
      }
      return stores[name]!.promote(moves);
    },
  });
  await expect(promote(meddled)).rejects.toMatchObject({ code: 'CATALOG_CONFLICT' });
  expect(await pointers()).toEqual([1, 1]);
  expect(activeOf(catalog.state, 'v')?.generation).toBe(1);
});
