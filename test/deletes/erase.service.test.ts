import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { signCertificate } from '../../deletes/certificate.ts';
import { requestErasure } from '../../deletes/erase.ts';
import { erasingShop, hasher, killed, killedBefore, known, meanwhile, orders } from './erasing-shop.ts';

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
  const failing = killedBefore(journal, 'found', 1);
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

/** One hash in each event of the journal: customer 7 with two orders and two payments takes many. */
const small = { hasher, shred: null, eventBytes: 40 };

test.each([[2], [4], [9]])(
  'who is killed before part %i of what is about to be deleted has deleted nothing, and leaves nothing',
  async (part) => {
    const shop = await erasingShop();
    const { db, eraser, journal, finish, keptOut } = shop;
    const dying = { ...small, eraser, journal: killedBefore(journal, 'found', part) };
    await expect(requestErasure(known, '7', dying)).rejects.toThrow();
    const [begun] = journal.state.erasures.values();
    expect(begun).toMatchObject({ phase: 'requested', rounds: [{ whole: false }] });
    expect((await db.client.query('select from orders where customer_id = 7')).rowCount).toBe(2);
    expect(await finish()).toMatchObject([{ phase: 'requested', rounds: [], keys: [] }]);
    await db.client.query('update orders set customer_id = 8 where id = 13');
    const { erasure } = await requestErasure(known, '7', { ...small, eraser, journal });
    expect(erasure).toMatchObject({ id: begun!.id, phase: 'deleted', rows: { 'public.orders': 1 } });
    expect(keptOut(13, 14)).toEqual([false, true]);
    await shop.expectInViews();
  },
);

test('what was committed with its rows in several events is known to the last of them, although the process died', async () => {
  const { eraser, journal, finish, keptOut } = await erasingShop();
  const dying = meanwhile(eraser, { committed: killed });
  await expect(requestErasure(known, '7', { ...small, eraser: dying, journal })).rejects.toThrow('killed');
  const found = journal.state.events.filter((event) => event.type === 'found');
  expect(found.length).toBeGreaterThan(8);
  const [erasure] = await finish();
  expect(erasure).toMatchObject({
    phase: 'passed',
    rows: { 'public.customers': 1, 'public.orders': 2, 'public.payments': 2 },
  });
  expect(keptOut(13, 14, 15)).toEqual([true, true, false]);

  // The same subject once more: what the first keeps out is told in several events as well.
  const { privateKey } = generateKeyPairSync('ed25519');
  const body = { version: 1, number: 1, erasure: erasure!.id, places: [], rows: {}, previous: null } as const;
  const about = { subject: 's', subjectHash: 'h', requestedAt: '', completedAt: '', by: '' };
  const certificate = signCertificate({ ...body, ...about }, privateKey);
  await journal.record({ type: 'completed', erasure: erasure!.id, certificate });
  const failing = { ...small, eraser, journal: killedBefore(journal, 'requested', 3) };
  await expect(requestErasure(known, '7', failing)).rejects.toThrow('killed');
  const half = [...journal.state.erasures.values()].at(-1)!;
  expect(half).toMatchObject({ phase: 'requested', requesting: true });
  const again = (await requestErasure(known, '7', { ...small, eraser, journal })).erasure;
  expect(again).toMatchObject({ id: half.id, phase: 'deleted', requesting: false });
  const sorted = (of: typeof again) => of.keys.find((k) => k.topic === orders)?.hashes.toSorted();
  expect(sorted(again)).toEqual(sorted(erasure!));
  expect(journal.state.erasures.size).toBe(2);
});
