import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspect } from '../../../../connectors/source/postgres/inspect.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import { type Capture, capture, slotOf, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture | null;

beforeEach(async () => {
  [db, log, running] = [await createDatabase(), await temporaryLog(), null];
  await db.client.query(`create table t (id int primary key, n int,
      stored int generated always as (n * 2) stored, virtual int generated always as (n * 3) virtual);
    insert into t values (1, 10), (2, 20)`);
});
afterEach(async () => {
  await running?.stop().catch(() => {});
  await log.close();
  await db.drop();
});

const options = () => ({
  name: 'shop',
  url: db.url,
  slot: slotOf(db.url),
  publication: 'insideout_shop',
  tables: ['public.t'],
});
const rows = async () => [...(await tableOf(log, 'shop.public.t')).values()];

/** Row 1 comes out of the snapshot and changes, row 2 does not change, row 3 is inserted. */
async function captured() {
  running = capture(log, options());
  const { acknowledged } = running;
  await eventually('the snapshot is complete', () => acknowledged.length > 0);
  await db.client.query('update t set n = 11 where id = 1; insert into t values (3, 30)');
  await eventually('the changes', async () => (await rows()).length === 3);
  return (await rows()).sort((a, b) => Number(a.id) - Number(b.id));
}
const warnings = async () => (await inspect(options())).filter((f) => f.severity === 'warning');

test('a publication of ours carries generated columns that are stored, and snapshot and changes agree', async () => {
  expect(await captured()).toEqual([
    { id: 1, n: 11, stored: 22 },
    { id: 2, n: 20, stored: 40 },
    { id: 3, n: 30, stored: 60 },
  ]);
  expect(await warnings()).toMatchObject([
    { check: 'column public.t.virtual', message: expect.stringContaining('Postgres cannot publish it') },
  ]);
});

test('what a publication of others leaves out is not in the snapshot either, and doctor warns with the mend', async () => {
  await db.client.query('create publication insideout_shop for table t');
  expect(await captured()).toEqual([
    { id: 1, n: 11 },
    { id: 2, n: 20 },
    { id: 3, n: 30 },
  ]);
  const [stored, virtual] = await warnings();
  expect(stored).toMatchObject({ check: 'column public.t.stored', mend: expect.stringContaining('ALTER') });
  expect(virtual).toMatchObject({ check: 'column public.t.virtual', mend: expect.stringContaining('`row`') });
  await db.client.query(stored!.mend!);
  await db.client.query('update t set n = 12 where id = 1');
  await eventually('the column is captured', async () => (await rows()).some((row) => row.stored === 24));
  expect(await warnings()).toMatchObject([{ check: 'column public.t.virtual' }]);
});

test('columns that a list leaves out on purpose are no warning', async () => {
  await db.client.query('create publication insideout_shop for table t (id, stored)');
  expect(await captured()).toEqual([
    { id: 1, stored: 22 },
    { id: 2, stored: 40 },
    { id: 3, stored: 60 },
  ]);
  expect(await warnings()).toEqual([]);
});

test('a key of which a part is not published is refused with the mend', async () => {
  await db.client.query(`drop table t;
    create table t (a int, b int generated always as (a * 2) stored, v int, primary key (a, b));
    create publication insideout_shop for table t`);
  const failure = await capture(log, options()).done.catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'SOURCE_REPLICA_IDENTITY',
    message: expect.stringContaining('leaves out b of the key of public.t'),
  });
  await db.client.query(/ALTER .+;/.exec((failure as { hint: string }).hint)![0]);
  expect((await inspect(options())).filter((f) => !f.ok)).toEqual([]);
});
