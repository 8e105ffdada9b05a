import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { type Catalog, openCatalog } from '../../../materializer/generations/catalog.ts';
import { entryOf } from '../../../materializer/generations/catalog-state.ts';
import { retire } from '../../../materializer/generations/retire.ts';
import { temporaryFolder } from '../customers.ts';
import { shapeOf, staged, staging } from './catalog-entries.ts';

const folder = temporaryFolder();
const { signal } = new AbortController();
let log: EmbeddedLog;
let catalog: Catalog;
let janitor: Catalog;
let store: ViewStore;
let n = 0;

/** Generation 1 of the view `v` is being built, and known to a command and to a daemon. */
beforeEach(async () => {
  log = await openEmbeddedLog({ path: folder.path(`${n++}.db`) });
  catalog = await openCatalog(log, 'insideout');
  janitor = await openCatalog(log, 'insideout');
  store = openMemoryStore();
  await catalog.record(staging(catalog.state, [staged('v', 1)], 'first'));
  await store.open(shapeOf('v'), 1);
});
afterEach(async () => {
  await catalog.close();
  await janitor.close();
  await log.close();
});

const entry = () => entryOf(catalog.state, 'v', 1)!;
const byJanitor = async () => {
  await janitor.refresh();
  await retire([entryOf(janitor.state, 'v', 1)!], {
    catalog: janitor,
    log,
    store: async () => store,
    signal,
  });
};
const byCommand = (drop: ViewStore['drop']) =>
  retire([entry()], { catalog, log, store: async () => ({ ...store, drop }), signal });

test('what the janitor of a daemon has removed when a command is about to is no failure of the command', async () => {
  await byCommand(async (view, generation) => {
    await byJanitor();
    await store.drop(view, generation);
  });
  expect(entry().state).toBe('retired');
  expect(await store.generations('v')).toEqual([]);
  expect(catalog.state.history.map((event) => event.type)).toEqual(['staged', 'retiring', 'retired']);
});

test('a removal that was chosen before another process began, or ended, the same one is done', async () => {
  const before = entry();
  await janitor.record({ type: 'retiring', view: 'v', generation: 1 });
  await retire([before], { catalog, log, store: async () => store, signal });
  await retire([before], { catalog, log, store: async () => store, signal });
  expect(entry().state).toBe('retired');
});
