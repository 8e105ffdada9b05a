import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { fakeClock, viewStoreTtlConformance } from '../../conformance/view-store-ttl.ts';
import { eventually } from '../../support/eventually.ts';

const file = () => join(mkdtempSync(join(tmpdir(), 'insideout-sqlite-')), 'views.db');

const open = (now: () => number) => openSqliteStore({ path: file(), now });
viewStoreTtlConformance('SQLite', open, fakeClock());
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

const session = {
  name: 'session',
  columns: { id: 'bigint', at: 'timestamp' },
  key: ['id'],
  ttl: { column: 'at', ms: 1_000 },
} as const;
const isoText = (ms: number) => new Date(ms).toISOString();
const sessions = (count: number, at: string) =>
  Array.from({ length: count }, (_, offset) => {
    const id = BigInt(offset);
    return { op: 'upsert', offset, key: [id], row: { id, at } } as const;
  });

test('the SQL view shows no row that has ended, though the row is still there', async () => {
  const path = file();
  let behind = 3_600_000;
  const store = await openSqliteStore({ path, now: () => Date.now() - behind });
  const g = await store.open(session, 1);
  const changes = sessions(3, isoText(Date.now() - 1_001));
  const later = { ...changes[2]!, row: { id: 2n, at: isoText(Date.now() + 3_600_000) } };
  await g.apply(await g.claim('t', 0), { ...one, next: 3, changes: [...changes.slice(0, 2), later] });
  await store.promote([{ view: session, from: null, to: 1 }]);
  expect(await g.count()).toBe(3);
  const reader = new Database(path, { readonly: true });
  expect(reader.prepare('select id from session').pluck().all()).toEqual([2]);
  expect(reader.prepare('select count(*) from session__g1').pluck().get()).toBe(3);
  behind = 0;
  expect(await g.count()).toBe(1);
  reader.close();
  await store.close();
});

test('a writer removes the rows that have ended, a claim those that ended while nobody wrote', async () => {
  const path = file();
  let now = Date.now();
  const options = { path, sweepMs: 20, now: () => now };
  const reader = new Database(path);
  const stored = () => reader.prepare('select count(*) from session__g1').pluck().get();
  const first = await openSqliteStore(options);
  const g = await first.open(session, 1);
  const claim = await g.claim('t', 0);
  await g.apply(claim, { ...one, next: 3_000, changes: sessions(3_000, isoText(now)) });
  expect(stored()).toBe(3_000);
  now += 1_001;
  await eventually('they are swept', () => stored() === 0, 10);
  const more = { op: 'upsert', offset: 3_000, key: [1n], row: { id: 1n, at: isoText(now) } } as const;
  await g.apply(claim, { ...one, from: 3_000, next: 3_001, changes: [more] });
  await first.close();
  now += 1_001;
  const second = await openSqliteStore({ ...options, sweepMs: 3_600_000 });
  const again = await second.open(session, 1);
  expect(stored()).toBe(1);
  await again.claim('t', 0);
  await eventually('it is swept', () => stored() === 0, 10);
  await second.close();
  reader.close();
});

test('an application waits for another writer without keeping this thread from other work', async () => {
  const path = file();
  const store = await openSqliteStore({ path });
  const generation = await store.open(card, 1);
  const claim = await generation.claim('t', 0);
  // Of this very thread: it could never commit while the thread waited for it.
  const other = new Database(path);
  other.exec('begin immediate');
  const change = { op: 'upsert', offset: 0, key: [1n], row: { id: 1n, name: 'a' } } as const;
  let done = false;
  const applied = generation.apply(claim, { ...one, changes: [change] }).then(() => {
    done = true;
  });
  await wait(20);
  expect(done).toBe(false);
  other.exec('commit');
  await applied;
  expect(await generation.count()).toBe(1);
  other.close();
  await store.close();
});
