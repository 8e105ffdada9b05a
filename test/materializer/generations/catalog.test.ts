import { afterEach, expect, test } from 'vitest';
import { isInsideoutError } from '../../../core/errors.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { type Catalog, openCatalog } from '../../../materializer/generations/catalog.ts';
import { temporaryFolder, until } from '../customers.ts';
import { staged, staging } from './catalog-entries.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function catalogs(count: number, folder = temporaryFolder()): Promise<Catalog[]> {
  closing.push(folder.remove);
  return Promise.all(
    Array.from({ length: count }, async () => {
      // Each with a connection of its own, as processes have.
      const log = await openEmbeddedLog({ path: folder.path('log.db') });
      const catalog = await openCatalog(log, 'insideout');
      closing.push(async () => {
        await catalog.close();
        await log.close();
      });
      return catalog;
    }),
  );
}

test('two processes that record a hundred generations each agree on all of them, and every loser is told so', async () => {
  const [one, two] = (await catalogs(2)) as [Catalog, Catalog];
  let lost = 0;
  const race = async (catalog: Catalog, name: string) => {
    for (let i = 0; i < 100; ) {
      try {
        const state = await catalog.record(staging(catalog.state, [staged(`${name}_${i}`, 1)], 'first'));
        // What was accepted stands in the state that comes back.
        expect(state.generations.some((g) => g.view === `${name}_${i}`)).toBe(true);
        i++;
      } catch (error) {
        if (!isInsideoutError(error, 'CATALOG_CONFLICT')) throw error;
        lost++;
      }
    }
  };
  await Promise.all([race(one, 'one'), race(two, 'two')]);
  await Promise.all([one.refresh(), two.refresh()]);
  expect(one.state).toEqual(two.state);
  expect(one.state.generations).toHaveLength(200);
  expect(one.state.history.map((e) => e.type === 'staged' && e.epoch)).toEqual(
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  expect(lost).toBeGreaterThan(0);
});

test('of two processes that stage the same view at once exactly one is told that it did', async () => {
  const [one, two] = (await catalogs(2)) as [Catalog, Catalog];
  for (let i = 0; i < 20; i++) {
    await Promise.all([one.refresh(), two.refresh()]);
    const outcomes = await Promise.allSettled(
      [one, two].map((c, n) =>
        c.record(staging(c.state, [staged(`v${i}`, 1, { fingerprint: String(n) })], 'first')),
      ),
    );
    const won = outcomes.findIndex((o) => o.status === 'fulfilled');
    expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected']);
    await Promise.all([one.refresh(), two.refresh()]);
    expect(one.state).toEqual(two.state);
    expect(one.state.generations.find((g) => g.view === `v${i}`)?.fingerprint).toBe(String(won));
  }
});

test('a catalog that is opened later has the whole history, with who and when', async () => {
  const folder = temporaryFolder();
  const [one] = (await catalogs(1, folder)) as [Catalog];
  for (let i = 0; i < 5; i++) await one.record(staging(one.state, [staged(`v${i}`, 1)], 'first'));
  const [later] = (await catalogs(1, folder)) as [Catalog];
  expect(later.state).toEqual(one.state);
  expect(later.state.history).toHaveLength(5);
  expect(later.state.history.every((e) => e.by.includes('@') && e.at > 0)).toBe(true);
});

test('another process sees a change without asking', async () => {
  const [one, two] = (await catalogs(2)) as [Catalog, Catalog];
  const stop = new AbortController();
  const seen: number[] = [];
  const looking = (async () => {
    for await (const state of two.changes(stop.signal)) seen.push(state.generations.length);
  })();
  await one.record(staging(one.state, [staged('v', 1)], 'first'));
  await until(() => seen.at(-1) === 1, 'the change is seen');
  stop.abort();
  await looking;
});

test('whoever waits for a catalog that is closed is told so', async () => {
  const [one] = (await catalogs(1)) as [Catalog];
  await one.close();
  await expect(one.record(staging(one.state, [staged('v', 1)], 'first'))).rejects.toMatchObject({
    code: 'LOG_CLOSED',
  });
});
