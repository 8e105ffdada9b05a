import { expect, test } from 'vitest';
import { requestErasure } from '../../deletes/erase.ts';
import { erasingShop, hasher, killed, known, meanwhile } from './erasing-shop.ts';

test('a row that came after the look is kept out, although the process died right after the commit', async () => {
  const { db, eraser, journal, request, finish, keptOut } = await erasingShop();
  const dying = meanwhile(eraser, {
    looked: () => db.client.query(`insert into orders values (1000, 7, 'late')`),
    committed: killed,
  });
  await expect(request('7', dying)).rejects.toThrow('killed');
  expect([...journal.state.erasures.values()].map((e) => e.phase)).toEqual(['found']);
  expect((await db.client.query('select from orders where customer_id = 7')).rowCount).toBe(0);
  expect(await finish()).toMatchObject([
    { phase: 'passed', rows: { 'public.customers': 1, 'public.orders': 3, 'public.payments': 2 } },
  ]);
  expect(keptOut(13, 14, 1000, 15)).toEqual([true, true, true, false]);
});

test('a row that was given to somebody else after the look stays theirs, and is not kept out', async () => {
  const { db, eraser, request, keptOut } = await erasingShop();
  const moving = meanwhile(eraser, {
    looked: () => db.client.query('update orders set customer_id = 8 where id = 13'),
  });
  const { erasure } = await request('7', moving);
  expect(erasure.rows['public.orders']).toBe(1);
  expect(keptOut(13, 14)).toEqual([false, true]);
});

test('of an erasure that the database refuses, at the commit even, no key is written down', async () => {
  const { db, journal, request } = await erasingShop();
  await db.client.query(`
    create table gifts (id int primary key, o int references orders deferrable initially deferred);
    insert into gifts values (1, 13)`);
  await expect(request('7')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect([...journal.state.erasures.values()]).toMatchObject([{ phase: 'requested', rounds: [], keys: [] }]);
  await db.client.query('drop table gifts');
  const { erasure } = await request('7');
  expect(erasure.phase).toBe('deleted');
});

test('where the journal cannot be written nothing is erased', async () => {
  const { db, eraser, journal, request } = await erasingShop();
  const { id } = (await request('8')).erasure;
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
  expect((await request('8')).erasure.id).toBe(id);
  expect((await db.client.query('select from orders where customer_id = 8')).rowCount).toBe(0);
});

test('a row that a transaction was to delete which was never committed, and that then is somebody else’s, is in the views', async () => {
  const shop = await erasingShop();
  const { db, eraser, request, finish, keptOut } = shop;
  await expect(request('7', meanwhile(eraser, { deleting: killed }))).rejects.toThrow();
  expect((await db.client.query('select from orders where customer_id = 7')).rowCount).toBe(2);
  // Nobody else knows whom it means.
  expect(await finish()).toMatchObject([{ phase: 'requested', rounds: [], keys: [] }]);
  await expect(request('7', meanwhile(eraser, { deleting: killed }))).rejects.toThrow();
  await db.client.query('update orders set customer_id = 8 where id = 13');
  const { erasure } = await request('7');
  expect(erasure).toMatchObject({ phase: 'deleted', rounds: [], rows: { 'public.orders': 1 } });
  expect(await finish()).toMatchObject([{ phase: 'passed' }]);
  expect(keptOut(13, 14)).toEqual([false, true]);
  await shop.expectInViews();
});

test('while a transaction that deletes rows is open nobody says how it ends, and nothing is certified with the ends of before', async () => {
  const { db, eraser, journal, request, finish, keptOut } = await erasingShop();
  const { id: erasure } = (await request('7')).erasure;
  const [first] = await finish();
  expect(first!.phase).toBe('passed');
  await db.client.query(
    `insert into customers values (7, null, 'back'); insert into orders values (1000, 7, 'n')`,
  );
  let during: unknown;
  const dying = meanwhile(eraser, {
    // The other process has a connection of its own.
    deleting: async () => {
      const looked = journal.record({ type: 'looked', erasure, places: [] });
      during = await looked.catch((error: unknown) => error);
    },
    committed: killed,
  });
  await expect(request('7', dying)).rejects.toThrow('killed');
  expect(during).toMatchObject({ code: 'CATALOG_CONFLICT' });
  expect(journal.state.erasures.get(erasure)).toMatchObject({ phase: 'passed', rounds: [{}] });
  expect(keptOut(1000)).toEqual([false]);
  const [second] = await finish();
  expect(second).toMatchObject({ phase: 'passed', rounds: [] });
  expect(second!.barrier).not.toBe(first!.barrier);
  const ends = (of: typeof second) => [...of!.ends.values()].reduce((sum, end) => sum + end, 0);
  expect(ends(second)).toBeGreaterThan(ends(first));
  expect(keptOut(13, 1000)).toEqual([true, true]);
});

test('two that erase the same subject at once both get to the end, whoever finds out first how the other ended', async () => {
  const { eraser, request, journal, finish } = await erasingShop();
  // As soon as one has committed, and before it says so, the other goes on with the same erasure.
  const { erasure } = await request('7', meanwhile(eraser, { committed: () => request('7') }));
  expect(erasure).toMatchObject({ phase: 'deleted', rounds: [], rows: { 'public.orders': 2 } });
  expect(await finish()).toMatchObject([{ phase: 'passed' }]);
  expect(journal.state.erasures.size).toBe(1);
});
