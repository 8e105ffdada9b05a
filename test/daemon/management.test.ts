import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { checkConfig } from '../../daemon/config/check.ts';
import { Management } from '../../daemon/management.ts';
import { lost, removed, unseen } from '../../daemon/retiring.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { GenerationEntry } from '../../materializer/generations/catalog-state.ts';
import { retire } from '../../materializer/generations/retire.ts';

const signal = new AbortController().signal;
const common = { store: 'local', key: ['id'], columns: { id: 'bigint' } };
const card = { name: 'card', from: 'shop.public.orders', ...common };
const open = { name: 'open', from: { view: 'card' }, ...common };
const other = { name: 'other', from: 'shop.public.orders', ...common };

/** A folder with a Log and two stores, and who manages the views there; one after the other with other views. */
async function place() {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-management-'));
  // Commands that look after generations create no files.
  await (await openEmbeddedLog({ path: join(folder, 'log.db') })).close();
  for (const name of ['local.db', 'second.db'])
    await (await openSqliteStore({ path: join(folder, name) })).close();
  let management: Management | null = null;
  onTestFinished(async () => {
    await management?.close();
    rmSync(folder, { recursive: true });
  });
  return async (views: object[], lose: string[] = []) => {
    await management?.close();
    for (const name of lose)
      for (const end of ['', '-wal', '-shm']) rmSync(join(folder, name + end), { force: true });
    const config = checkConfig(
      {
        log: { kind: 'embedded', path: join(folder, 'log.db') },
        stores: {
          local: { kind: 'sqlite', path: join(folder, 'local.db') },
          second: { kind: 'sqlite', path: join(folder, 'second.db') },
        },
        views,
      },
      'test',
    );
    management = await Management.open(config);
    return management;
  };
}

const named = (entries: readonly GenerationEntry[]) => entries.map((e) => `${e.view} g${e.generation}`);

async function build(management: Management, name: string): Promise<readonly GenerationEntry[]> {
  const { entries } = await management.stage(name, signal);
  for (const e of entries) await (await management.stores.get(e.store)).open(e.shape, e.generation);
  return entries;
}

async function rebuild(management: Management, name: string): Promise<void> {
  const entries = await build(management, name);
  await management.move(entries, { kind: 'promote', reports: [], force: true });
}

test('a former generation comes back with those that it feeds, so that no reader sees two epochs at once', async () => {
  const management = await (await place())([card, open, other]);
  for (const name of ['card', 'other', 'card']) await rebuild(management, name);
  expect(management.catalog.state.generations.map((g) => [g.view, g.generation, g.state])).toContainEqual([
    'card',
    1,
    'grace',
  ]);
  const chosen = (name: string) => named(management.following(name, 1));
  expect(chosen('card')).toEqual(['card g1', 'open g1']);
  expect(chosen('open')).toEqual(['open g1']);
});

test('what a rebuild gives up of another one is told: all of its epoch', async () => {
  const management = await (await place())([card, open, other]);
  await rebuild(management, 'card');
  await build(management, 'card');
  await build(management, 'other');
  expect(await management.stage('card', signal)).toMatchObject({ resumed: true, givenUp: [] });
  const { givenUp, entries, resumed } = await management.stage('open', signal);
  expect({ resumed, givenUp: named(givenUp), entries: named(entries) }).toEqual({
    resumed: false,
    givenUp: ['card g2', 'open g2'],
    entries: ['open g3'],
  });
});

test('a view that went to another store is shown in the former one until it is retired there, then nowhere else', async () => {
  const at = await place();
  const before = await at([card]);
  await rebuild(before, 'card');
  const management = await at([{ ...card, store: 'second' }]);
  await rebuild(management, 'card');
  const { catalog, log, stores } = management;
  const [local, second] = [await stores.get('local'), await stores.get('second')];
  expect([await local.active('card'), await second.active('card')]).toEqual([1, 2]);
  const former = catalog.state.generations.filter((g) => g.generation === 1);
  await retire(former, { catalog, log, store: stores.get, signal });
  expect([await local.active('card'), await second.active('card')]).toEqual([null, 2]);
  expect(await local.generations('card')).toEqual([]);
});

test('of a view that went to another store, what was lost with the former one is given up, whatever was begun there', async () => {
  const at = await place();
  const before = await at([card]);
  await rebuild(before, 'card');
  await build(before, 'card');
  const moves = [{ view: 'card', from: 1, to: 2 }];
  await before.catalog.record({ type: 'promoting', kind: 'promote', moves, gate: [], forced: false });
  const wish = { view: 'card', generation: null };
  await expect(lost(before, wish)).rejects.toMatchObject({ message: expect.stringContaining('is not gone') });
  const still = await at([card], ['local.db']);
  await expect(lost(still, wish)).rejects.toMatchObject({
    message: expect.stringContaining('The config has'),
  });
  const management = await at([{ ...card, store: 'second' }]);
  const entries = await lost(management, wish);
  expect(named(entries)).toEqual(['card g1', 'card g2']);
  const { catalog, log, stores } = management;
  const parts = { catalog, log, store: stores.get, signal };
  await retire(entries, { ...parts, storeGone: true });
  expect(catalog.state.generations.map((g) => g.state)).toEqual(['abandoned', 'abandoned']);
  await expect(lost(management, { view: 'card', generation: 1 })).rejects.toMatchObject({ code: 'USAGE' });
});

test('a view that is not in the config any more goes with all its generations, once what it feeds is gone', async () => {
  const at = await place();
  const before = await at([card, open]);
  for (const _ of [1, 2]) await rebuild(before, 'card');
  await build(before, 'card');
  const wish = (view: string) => ({ view, generation: null });
  expect(() => removed(before, wish('card'))).toThrow('The config has the view "card"');
  const management = await at([]);
  const { catalog, log, stores } = management;
  const parts = { catalog, log, store: stores.get, signal };
  expect(() => unseen(management, { view: 'card', generation: 2 })).toThrow(
    'Readers see generation 2 of "card"',
  );
  await expect(retire(removed(management, wish('card')), parts)).rejects.toMatchObject({
    code: 'CATALOG_CONFLICT',
    hint: 'Retire or rebuild "open" first.',
  });
  for (const view of ['open', 'card']) await retire(removed(management, wish(view)), parts);
  expect(new Set(catalog.state.generations.map((g) => g.state))).toEqual(new Set(['retired']));
  const store = await stores.get('local');
  for (const view of ['open', 'card']) {
    expect(await store.active(view)).toBeNull();
    expect(await store.generations(view)).toEqual([]);
  }
});
