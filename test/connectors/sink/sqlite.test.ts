import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';

const file = () => join(mkdtempSync(join(tmpdir(), 'insideout-sqlite-')), 'views.db');

viewStoreConformance('SQLite', () => openSqliteStore({ path: file() }), { runs: 60 });

test("the active generation is a SQL view with the view's name and only the declared columns", async () => {
  const path = file();
  const store = await openSqliteStore({ path });
  const view = { name: 'customer_card', columns: { id: 'bigint', name: 'text' }, key: ['id'] } as const;
  for (const id of [1, 2]) {
    const g = await store.open(view, id);
    await g.apply(await g.claim('t', 0), {
      topic: 't',
      partition: 0,
      from: 0,
      next: 1,
      changes: [{ op: 'upsert', offset: 0, key: [1n], row: { id: 1n, name: `generation ${id}` } }],
    });
  }
  const reader = new Database(path, { readonly: true });
  await store.promote([{ view, from: null, to: 1 }]);
  expect(reader.prepare('select * from customer_card').all()).toEqual([{ id: 1, name: 'generation 1' }]);
  await store.promote([{ view, from: 1, to: 2 }]);
  expect(reader.prepare('select * from customer_card').all()).toEqual([{ id: 1, name: 'generation 2' }]);
  reader.close();
  await store.close();
});

const one = { topic: 't', partition: 0, from: 0, next: 1 } as const;
const card = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] } as const;

test('a store that was closed blames no record', async () => {
  const store = await openSqliteStore({ path: file() });
  const g = await store.open(card, 1);
  const claim = await g.claim('t', 0);
  await store.close();
  const change = { op: 'upsert', offset: 0, key: [1n], row: { id: 1n, name: 'a' } } as const;
  await expect(g.apply(claim, { ...one, changes: [change] })).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  });
});

test('a file that is no database, or cannot be opened, is refused', async () => {
  const path = file();
  writeFileSync(path, 'not a database, but long enough to be looked at as one'.repeat(100));
  await expect(openSqliteStore({ path })).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  await expect(openSqliteStore({ path: tmpdir() })).rejects.toMatchObject({ code: 'STORE_REFUSED' });
});

test('a value of another type than its column is refused, and the row with it', async () => {
  const store = await openSqliteStore({ path: file() });
  const view = { ...card, columns: { id: 'bigint', n: 'int' } } as const;
  const g = await store.open(view, 1);
  const change = { op: 'upsert', offset: 0, key: [1n], row: { id: 1n, n: 'many' } } as const;
  await expect(g.apply(await g.claim('t', 0), { ...one, changes: [change] })).rejects.toMatchObject({
    code: 'RECORD_UNSTORABLE',
  });
  expect(await g.count()).toBe(0);
  await store.close();
});
