import { expect, onTestFinished, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { InsideoutError } from '../../../core/errors.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { openCatalog } from '../../../materializer/generations/catalog.ts';
import type { GenerationEntry } from '../../../materializer/generations/catalog-state.ts';
import { type FollowOptions, followView } from '../../../materializer/generations/follow.ts';
import { stage } from '../../../materializer/generations/stage.ts';
import { customerCard, temporaryFolder } from '../customers.ts';

const namespace = 'test';
const refused = () =>
  new InsideoutError('STORE_REFUSED', 'The store refuses writes.', { hint: 'Let the account write.' });

/** A catalog and a store of their own, and a follower of one view whose generations run as they are told to. */
async function place() {
  const folder = temporaryFolder();
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  const catalog = await openCatalog(log, namespace);
  const store = openMemoryStore();
  const stop = new AbortController();
  const failed: string[] = [];
  onTestFinished(async () => {
    stop.abort();
    await catalog.close();
    await log.close();
    folder.remove();
  });
  const follow = (run: FollowOptions['run']) =>
    followView({
      view: customerCard,
      store,
      catalog,
      namespace,
      signal: stop.signal,
      failed: (entry, error) => failed.push(`g${entry.generation} ${error.code}`),
      run,
    }).then(
      () => null,
      (error: unknown) => error,
    );
  const stageGreen = () =>
    catalog.record({
      type: 'staged',
      epoch: catalog.state.lastEpoch + 1,
      reason: 'rebuild',
      generations: stage({ views: [customerCard], state: catalog.state, namespace, taken: () => 0 }),
    });
  return { catalog, store, stop, failed, follow, stageGreen };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

test('a first generation that its store refuses stops the view: readers have no other', async () => {
  const { follow, failed } = await place();
  const ended = await follow(async () => {
    throw refused();
  });
  expect(ended).toMatchObject({ code: 'STORE_REFUSED', hint: 'Let the account write.' });
  expect(failed).toEqual([]);
});

test('a generation that was built, and is not seen by readers, fails beside the one that they see', async () => {
  const { catalog, follow, failed, stageGreen, stop } = await place();
  const running = new Map<number, AbortSignal>();
  let told: () => void = () => {};
  const green = new Promise<void>((resolve) => {
    told = resolve;
  });
  const ended = follow(async (entry: GenerationEntry, open, signal) => {
    if (entry.generation === 1) {
      await open();
      running.set(1, signal);
      await stageGreen();
      await untilAborted(signal);
      return;
    }
    told();
    throw refused();
  });
  await green;
  // The next event is seen only after what became of the green one was settled.
  await catalog.refresh();
  await expect.poll(() => failed).toEqual(['g2 STORE_REFUSED']);
  expect(running.get(1)?.aborted).toBe(false);
  stop.abort();
  expect(await ended).toBeNull();
});

test('what readers saw is shown to them again when another store took the place of one that was lost', async () => {
  const { follow, store, stop, catalog } = await place();
  const view = customerCard.shape;
  const generations = stage({ views: [customerCard], state: catalog.state, namespace, taken: () => 0 });
  await catalog.record({ type: 'staged', epoch: 1, reason: 'first', generations });
  const moves = [{ view: view.name, from: null, to: 1 }];
  await catalog.record({ type: 'promoted', kind: 'first', moves, gate: [], forced: false });
  await follow(async (_entry, open) => {
    await open();
    stop.abort();
  });
  expect(await store.active(view.name)).toBe(1);
});
