import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../../core/view.ts';
import { eventually } from '../../support/eventually.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-drops-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = () => join(folder, `${files++}.db`);
const rows = 200_000;

const byNumber: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const byTexts: ViewShape = {
  name: 'card',
  columns: { shop: 'text', id: 'bigint', name: 'text' },
  key: ['shop', 'id'],
};

async function fill(generation: Generation): Promise<void> {
  const claim = await generation.claim('t', 0);
  for (let from = 0; from < rows; from += 20_000)
    await generation.apply(claim, batchOf(generation, from, from + 20_000));
}

function batchOf({ view }: Generation, from: number, next: number) {
  const changes = Array.from({ length: next - from }, (_, i) => {
    const row = { shop: `shop ${i % 7}`, id: BigInt(from + i), name: 'x'.repeat(60) };
    const key = view.key.map((name) => row[name as keyof typeof row]);
    return { op: 'upsert', offset: from + i, key, row } as const;
  });
  return { topic: 't', partition: 0, from, next, changes };
}

const dropIn = (path: string, id: number): ChildProcess =>
  spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('./drop-child.ts', import.meta.url)), path, 'card', String(id)],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );

test('while a process drops a large generation, a writer of another never waits longer than 250 ms', async () => {
  const path = file();
  const store = await openSqliteStore({ path });
  const blue = await store.open(byNumber, 1);
  await fill(await store.open(byNumber, 2));
  const claim = await blue.claim('t', 0);
  const child = dropIn(path, 2);
  const ended = once(child, 'exit');
  let longest = 0;
  let during = 0;
  for (let offset = 0; child.exitCode === null; offset++) {
    const began = performance.now();
    await blue.apply(claim, batchOf(blue, offset, offset + 1));
    longest = Math.max(longest, performance.now() - began);
    if (await isMarked(path, 2)) during++;
    await wait(1);
  }
  expect(await ended).toEqual([0, null]);
  expect(during).toBeGreaterThan(10);
  expect(longest).toBeLessThan(250);
  expect(await store.generations('card')).toEqual([1]);
  await store.close();
}, 60_000);

test('a store goes on with everything else while it drops', async () => {
  const store = await openSqliteStore({ path: file() });
  const blue = await store.open(byNumber, 1);
  await fill(await store.open(byNumber, 2));
  const claim = await blue.claim('t', 0);
  let dropping = true;
  const dropped = store.drop('card', 2).finally(() => {
    dropping = false;
  });
  let offset = 0;
  let longest = 0;
  for (; dropping; offset++) {
    const began = performance.now();
    await wait(1);
    await blue.apply(claim, batchOf(blue, offset, offset + 1));
    longest = Math.max(longest, performance.now() - began);
  }
  await dropped;
  expect(offset).toBeGreaterThan(10);
  expect(longest).toBeLessThan(250);
  await store.close();
}, 60_000);

test.each([
  ['a number', byNumber],
  ['several columns', byTexts],
])(
  'a drop that was killed is listed, closed to writers, and ended by another: key of %s',
  async (_name, view) => {
    const path = file();
    const store = await openSqliteStore({ path });
    await fill(await store.open(view, 1));
    const green = await store.open(view, 2);
    await fill(green);
    const claim = await green.claim('t', 0);
    for (const id of [1, 2]) await killedDrop(path, id);
    // Whoever only looks neither ends the drop nor makes it anew.
    expect(await store.find(view, 2)).toBeNull();
    expect(await store.generations('card')).toEqual([1, 2]);
    await expect(green.apply(claim, batchOf(green, rows, rows + 1))).rejects.toMatchObject({
      code: 'VIEW_FENCED',
    });
    await expect(green.claim('t', 0)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await expect(store.promote([{ view, from: null, to: 2 }])).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    });
    await store.drop('card', 2);
    expect(await store.generations('card')).toEqual([1]);
    const again = await store.open(view, 1);
    expect(await again.count()).toBe(0);
    expect(await again.checkpoint()).toEqual(new Map());
    await store.drop('card', 1);
    expect(await leftOf(path)).toEqual({ tables: [], entries: 0, checkpoints: 0 });
    await store.close();
  },
  60_000,
);

test('a drop that goes on after another has ended it leaves a new generation of the same number alone', async () => {
  const path = file();
  const store = await openSqliteStore({ path });
  await fill(await store.open(byNumber, 2));
  const slow = store.drop('card', 2);
  // Ended by another process while the slow one pauses.
  const other = new Database(path);
  other.exec('delete from insideout_generations where generation = 2; drop table card__g2');
  other.close();
  const again = await store.open(byNumber, 2);
  await again.apply(await again.claim('t', 0), batchOf(again, 0, 10));
  await slow;
  expect(await again.count()).toBe(10);
  expect(await store.generations('card')).toEqual([2]);
  await store.close();
}, 60_000);

/** Lets a process begin to drop, and kills it when some rows are gone and some are not. */
async function killedDrop(path: string, id: number): Promise<void> {
  const child = dropIn(path, id);
  const ended = once(child, 'exit');
  const db = new Database(path, { readonly: true });
  const count = db.prepare<[], number>(`select count(*) from card__g${id}`).pluck();
  await eventually('some rows are gone', () => (count.get() ?? 0) < rows);
  child.kill('SIGKILL');
  await ended;
  expect(count.get()).toBeGreaterThan(0);
  db.close();
}

async function isMarked(path: string, id: number): Promise<boolean> {
  const db = new Database(path, { readonly: true });
  const shape = db.prepare('select shape from insideout_generations where generation = ?').pluck().get(id);
  db.close();
  return shape === '';
}

async function leftOf(path: string) {
  const db = new Database(path, { readonly: true });
  const number = (sql: string) => db.prepare(sql).pluck().get();
  const tables = db.prepare("select name from sqlite_master where name like 'card%'").pluck().all();
  const entries = number('select count(*) from insideout_generations');
  const checkpoints = number('select count(*) from insideout_checkpoints');
  db.close();
  return { tables, entries, checkpoints };
}
