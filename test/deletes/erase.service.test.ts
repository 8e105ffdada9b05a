import { afterEach, beforeEach, expect, test } from 'vitest';
import { barriersTopic } from '../../connectors/source/barriers.ts';
import type { SourceEraser } from '../../connectors/source/erasure.ts';
import { requestErasure } from '../../deletes/erase.ts';
import { ErasureGuard } from '../../deletes/guard.ts';
import { type Journal, openJournal } from '../../deletes/journal.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { waitUntilPassed } from '../../deletes/passing.ts';
import type { EmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { customer, eraserOf, shopSchema, subject } from '../connectors/source/postgres/shop.ts';
import { type Capture, capture, temporaryLog } from '../support/capture.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture;
let eraser: SourceEraser;
let journal: Journal;
const hasher = new KeyHasher(Buffer.from('secret'));
const orders = 'shop.public.orders';
const known = { name: 'customer', source: 'shop', ...subject(customer) };

beforeEach(async () => {
  db = await createDatabase();
  await db.client.query(shopSchema);
  log = await temporaryLog();
  running = capture(log, {
    url: db.url,
    tables: ['customers', 'orders', 'payments'].map((t) => `public.${t}`),
  });
  eraser = eraserOf(db, { publication: 'shop' });
  journal = await openJournal(log, 'n');
  await eventually('it captures', async () => (await log.topics()).includes(barriersTopic('shop')));
});
afterEach(async () => {
  await running.stop().catch(() => {});
  await journal.close();
  await eraser.close();
  await log.close();
  await db.drop();
});

/** The eraser, with something that happens between its calls. */
const meanwhile = (between: { looked?(): Promise<unknown>; committed?(): Promise<never> }): SourceEraser => ({
  check: (of) => eraser.check(of),
  mark: (erasure) => eraser.mark(erasure),
  foreignKeys: () => eraser.foreignKeys(),
  close: () => eraser.close(),
  async find(of, id) {
    const found = await eraser.find(of, id);
    await between.looked?.();
    return found;
  },
  async erase(of, id, erasure) {
    const erased = await eraser.erase(of, id, erasure);
    await between.committed?.();
    return erased;
  },
});

const request = (id: string, by: SourceEraser) =>
  requestErasure(known, id, { journal, eraser: by, hasher, shred: null });

/** What keeps rows out once another process has finished what is open. */
async function guardOfAnother(): Promise<ErasureGuard> {
  const erasures = [...(await journal.refresh()).erasures.values()];
  const signal = AbortSignal.timeout(60_000);
  await waitUntilPassed(erasures, { log, journal, source: 'shop', eraser, again: true, signal });
  return new ErasureGuard(
    () => journal.state,
    () => hasher,
  );
}

test('a row that came after the look is kept out, although the process died right after the commit', async () => {
  const dying = meanwhile({
    looked: () => db.client.query(`insert into orders values (1000, 7, 'late')`),
    committed: () => Promise.reject(new Error('killed')),
  });
  await expect(request('7', dying)).rejects.toThrow('killed');
  expect([...journal.state.erasures.values()].map((e) => e.phase)).toEqual(['found']);
  expect((await db.client.query('select from orders where customer_id = 7')).rowCount).toBe(0);
  const guard = await guardOfAnother();
  expect([...journal.state.erasures.values()].map((e) => e.phase)).toEqual(['passed']);
  expect([13, 14, 1000, 15].map((id) => guard.has(orders, { id }))).toEqual([true, true, true, false]);
});

test('a row that was given to somebody else after the look stays theirs, and is not kept out', async () => {
  const moving = meanwhile({
    looked: () => db.client.query('update orders set customer_id = 8 where id = 13'),
  });
  const { erasure } = await request('7', moving);
  expect(erasure.rows['public.orders']).toBe(1);
  const guard = await guardOfAnother();
  expect([13, 14].map((id) => guard.has(orders, { id }))).toEqual([false, true]);
});

test('of an erasure that the database refuses, at the commit even, no key is written down', async () => {
  await db.client.query(`
    create table gifts (id int primary key, o int references orders deferrable initially deferred);
    insert into gifts values (1, 13)`);
  await expect(request('7', eraser)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect([...journal.state.erasures.values()].map(({ phase, keys }) => [phase, keys])).toEqual([
    ['requested', []],
  ]);
  await db.client.query('drop table gifts');
  const { erasure } = await request('7', eraser);
  expect(erasure.phase).toBe('deleted');
});

test('where the journal cannot be written nothing is erased', async () => {
  const { id } = (await request('8', eraser)).erasure;
  await db.client.query(`insert into customers values (8, null, 'back')`);
  const failing = new Proxy(journal, {
    get: (of, name) =>
      name === 'record'
        ? () => Promise.reject(new Error('full'))
        : name === 'state'
          ? of.state
          : Reflect.get(of, name).bind(of),
  });
  await db.client.query(`insert into orders values (1001, 8, 'new')`);
  await expect(
    requestErasure(known, '8', { journal: failing, eraser, hasher, shred: null }),
  ).rejects.toThrow();
  expect((await db.client.query('select from orders where customer_id = 8')).rowCount).toBe(1);
  expect((await request('8', eraser)).erasure.id).toBe(id);
  expect((await db.client.query('select from orders where customer_id = 8')).rowCount).toBe(0);
});
