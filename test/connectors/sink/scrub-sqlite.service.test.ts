import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation, ViewStore } from '../../../connectors/sink/view-store.ts';
import type { Key, ViewChange, ViewShape } from '../../../core/view.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-scrub-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = () => join(folder, `${files++}.db`);

const rows = 3_000;
const mark = (n: number) => `secret${String(n).padStart(6, '0')}!`;
/** Every number once, in an order that splits pages all over the tables. */
const shuffled = Array.from({ length: rows }, (_, i) => (i * 1_009) % rows);
const doomed = shuffled.filter((_, i) => i % 7 === 0);
/** Of every size: several rows to a page, and over several overflow pages. */
const text = (n: number) => mark(n) + 'x'.repeat((n * 37) % (n % 50 === 0 ? 9_000 : 900));

const byNumber: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const byText: ViewShape = { name: 'card', columns: { id: 'text', name: 'text' }, key: ['id'] };

const keyOf = ({ key, columns }: ViewShape, n: number): Key => [
  columns[key[0]!] === 'text' ? `k${n}` : BigInt(n),
];

function upserts(view: ViewShape, numbers: readonly number[], from: number): ViewChange[] {
  return numbers.map((n, i) => {
    const key = keyOf(view, n);
    return { op: 'upsert', offset: from + i, key, row: { id: key[0]!, name: text(n) } };
  });
}

async function apply(generation: Generation, changes: readonly ViewChange[]): Promise<void> {
  const claim = await generation.claim('t', 0);
  const next = claim.next + changes.length;
  await generation.apply(claim, { topic: 't', partition: 0, from: claim.next, next, changes });
}

/** How many of the numbers have bytes left in the store's files. */
function remains(store: ViewStore, numbers: readonly number[]): number {
  const contents = store.files().flatMap((path) => (existsSync(path) ? [readFileSync(path)] : []));
  return numbers.filter((n) => contents.some((bytes) => bytes.includes(mark(n)))).length;
}

describe.each([
  ['integer keys', byNumber],
  ['text keys', byText],
])('a SQLite file with %s', (_name, view) => {
  test('holds no byte of deleted, erased, replaced and truncated rows once it was scrubbed', async () => {
    const path = file();
    const store = await openSqliteStore({ path });
    const generation = await store.open(view, 1);
    await apply(generation, upserts(view, shuffled, 0));
    const [deleted, erased, replaced] = [0, 1, 2].map((part) => doomed.filter((_, i) => i % 3 === part));
    await apply(
      generation,
      deleted!.map((n, i) => ({ op: 'delete', offset: rows + i, key: keyOf(view, n) })),
    );
    await generation.erase(erased!.map((n) => keyOf(view, n)));
    await apply(
      generation,
      replaced!.map((n, i) => {
        const key = keyOf(view, n);
        return { op: 'upsert', offset: rows * 2 + i, key, row: { id: key[0]!, name: 'anonymous' } };
      }),
    );
    expect(remains(store, doomed)).toBe(doomed.length);
    // What SQLite overwrites by itself is most, but not all: splits leave rows behind where they were.
    const other = new Database(path);
    other.pragma('wal_checkpoint(TRUNCATE)');
    other.close();
    expect(remains(store, doomed)).toBeGreaterThan(0);
    expect(remains(store, doomed)).toBeLessThan(doomed.length / 5);
    expect(await store.scrub()).toBeNull();
    expect(remains(store, doomed)).toBe(0);
    expect(remains(store, shuffled)).toBe(rows - doomed.length);
    expect(await generation.count()).toBe(rows - deleted!.length - erased!.length);
    await apply(generation, [{ op: 'truncate', offset: rows * 3 }]);
    expect(await store.scrub()).toBeNull();
    expect(remains(store, shuffled)).toBe(0);
    await store.close();
  });

  test('holds no byte of a dropped generation', async () => {
    const store = await openSqliteStore({ path: file() });
    const kept = await store.open(view, 2);
    await apply(kept, upserts(view, shuffled.slice(0, 100), 0));
    await apply(await store.open(view, 1), upserts(view, shuffled, 0));
    await store.drop(view.name, 1);
    expect(await store.scrub()).toBeNull();
    expect(remains(store, shuffled.slice(100))).toBe(0);
    expect(await kept.count()).toBe(100);
    await store.close();
  });
});

test('a reader that holds the write-ahead log back is named, and once it has gone the bytes go', async () => {
  const path = file();
  const store = await openSqliteStore({ path, patienceMs: 200 });
  const generation = await store.open(byNumber, 1);
  await apply(generation, upserts(byNumber, [1, 2], 0));
  const reader = new Database(path);
  reader.exec('begin');
  reader.prepare('select * from card__g1').all();
  await generation.erase([[1n]]);
  expect(await store.scrub()).toMatch(/reader that holds its write-ahead log back/);
  expect(remains(store, [1])).toBe(1);
  reader.exec('commit');
  expect(await store.scrub()).toBeNull();
  expect(remains(store, [1, 2])).toBe(1);
  reader.close();
  await store.close();
});

test('a writer that does not let go is named, and views go on while a scrub waits for it', async () => {
  const path = file();
  const store = await openSqliteStore({ path, patienceMs: 300 });
  const generation = await store.open(byNumber, 1);
  await apply(generation, upserts(byNumber, [1], 0));
  const writer = new Database(path);
  writer.exec('begin immediate');
  const scrubbed = store.scrub();
  expect(await generation.count()).toBe(1);
  expect(await scrubbed).toMatch(/writer does not let go/);
  writer.exec('commit');
  writer.close();
  await store.close();
});

test('readers and writers of a file go on after it was scrubbed', async () => {
  const path = file();
  const store = await openSqliteStore({ path });
  const generation = await store.open(byText, 1);
  await store.promote([{ view: byText, from: null, to: 1 }]);
  await apply(generation, upserts(byText, shuffled, 0));
  const reader = new Database(path, { readonly: true });
  const statement = reader.prepare('select count(*) from card').pluck();
  expect(statement.get()).toBe(rows);
  expect(await store.scrub()).toBeNull();
  await apply(generation, [{ op: 'delete', offset: rows, key: ['k0'] }]);
  expect(statement.get()).toBe(rows - 1);
  expect(await generation.get(['k0'])).toBeNull();
  reader.close();
  await store.close();
});
