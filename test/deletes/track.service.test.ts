import { expect, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { trackErasure } from '../../deletes/erase.ts';
import { lookAtTopic } from '../../deletes/look-log.ts';
import { targetOf } from '../../deletes/target.ts';
import { Tracer } from '../../deletes/tracer.ts';
import { placeOf } from '../../deletes/verdict.ts';
import { deadLetterTopic, writeDeadLetters } from '../../materializer/apply/dead-letters.ts';
import { customer, subject } from '../connectors/source/postgres/shop.ts';
import { recordsOf } from '../support/capture.ts';
import { erasingShop, hasher, killed, killedBefore, known, meanwhile, orders } from './erasing-shop.ts';

/** The application gives order 13 away, and deletes the customer with the rest. */
const givesOne = `
  update orders set customer_id = 8 where id = 13;
  delete from payments using orders o where o.id = order_id and o.customer_id = 7;
  delete from orders where customer_id = 7; delete from customers where id = 7`;

test('a row that the application gives to somebody else instead of deleting it is in the views, and is no row of the erasure', async () => {
  const shop = await erasingShop();
  await shop.db.client.query('alter table orders add unique (note)');
  const { erasure, known } = await shop.track('7', () => shop.db.client.query(givesOne));
  expect(erasure).toMatchObject({
    phase: 'deleted',
    tracked: null,
    rows: { 'public.customers': 1, 'public.orders': 1, 'public.payments': 1 },
  });
  // What the other has now tells nothing of the subject.
  expect([...known.telling].sort()).toEqual(['order 14', 'person7@example.org']);
  expect(await shop.finish()).toMatchObject([{ phase: 'passed' }]);
  expect(shop.keptOut(13, 14)).toEqual([false, true]);
  await shop.expectInViews();
});

test.each([['followed'], ['erased']] as const)(
  'the same when the process that followed the deletes was killed meanwhile, and the subject is %s again',
  async (how) => {
    const shop = await erasingShop();
    await expect(shop.track('7', killed)).rejects.toThrow('killed');
    // Nobody else knows whom it means.
    expect(await shop.finish()).toMatchObject([{ phase: 'found', keys: [] }]);
    await shop.db.client.query(givesOne);
    if (how === 'erased') await shop.db.client.query(`insert into orders values (1000, 8, 'n')`);
    const nothing = () => expect.unreachable('no row is left');
    const { erasure } = await (how === 'followed' ? shop.track('7', nothing) : shop.request('7'));
    expect(erasure).toMatchObject({
      phase: 'deleted',
      tracked: null,
      rows: { 'public.customers': 1, 'public.orders': 1, 'public.payments': 1 },
    });
    expect(await shop.finish()).toMatchObject([{ phase: 'passed' }]);
    expect(shop.keptOut(13, 14, 15)).toEqual([false, true, false]);
    await shop.expectInViews();
  },
);

test('an erasure that was begun as a tracked one erases what is left, and counts each row once', async () => {
  const shop = await erasingShop();
  await expect(shop.track('7', killed)).rejects.toThrow('killed');
  await shop.db.client.query('delete from payments where no = 14; delete from orders where id = 14');
  const { erasure } = await shop.request('7');
  expect(erasure).toMatchObject({
    phase: 'deleted',
    tracked: null,
    rows: { 'public.customers': 1, 'public.orders': 2, 'public.payments': 2 },
  });
  expect(shop.keptOut(13, 14, 15)).toEqual([true, true, false]);
});

test('a row that comes to the subject meanwhile is followed, too, and one that goes and comes back', async () => {
  const shop = await erasingShop();
  const { client } = shop.db;
  let waits = 0;
  const { erasure } = await shop.track('7', async () => {
    waits++;
    if (waits === 1) await client.query('update orders set customer_id = 8 where id = 13');
    if (waits === 2) await client.query('update orders set customer_id = 7 where id in (13, 15)');
    if (waits === 3)
      await client.query(`delete from payments where order_id in (13, 14, 15);
        delete from orders where customer_id = 7; delete from customers where id = 7`);
  });
  expect(erasure.rows['public.orders']).toBe(3);
  expect(shop.keptOut(13, 14, 15, 16)).toEqual([true, true, true, false]);
  await shop.expectInViews();
});

test('what another process has noted meanwhile is asked for as well, before anything is settled', async () => {
  const shop = await erasingShop();
  let more = true;
  const noting = meanwhile(shop.eraser, {
    followed: async () => {
      const [erasure] = shop.journal.state.erasures.keys();
      // Order 15 is alive, order 2000 is not.
      const hashes = [15, 2000].map((id) => hasher.key(orders, { id }));
      const rows = [{ table: 'public.orders', topic: orders, hashes, overwritten: 0 }];
      if (more) await shop.journal.record({ type: 'found', erasure: erasure!, rows });
      more = false;
    },
  });
  const { erasure } = await shop.track('7', () => shop.db.client.query(givesOne), noting);
  expect(erasure.rows['public.orders']).toBe(2);
  expect(shop.keptOut(13, 14, 15, 2000)).toEqual([false, true, false, true]);
});

test('two that follow the same deletes both get to the end', async () => {
  const shop = await erasingShop();
  const { erasure } = await shop.track('7', () => shop.track('7', () => shop.db.client.query(givesOne)));
  expect(erasure).toMatchObject({ phase: 'deleted', tracked: null, rows: { 'public.orders': 1 } });
  expect(shop.keptOut(13, 14)).toEqual([false, true]);
});

test('nothing is certified while the application is to delete rows', async () => {
  const shop = await erasingShop();
  const { id: erasure } = (await shop.request('7')).erasure;
  await shop.finish();
  await shop.db.client.query(`insert into customers values (7, null, 'back')`);
  let during: unknown;
  const again = await shop.track('7', async () => {
    const looked = shop.journal.record({ type: 'looked', erasure, places: [] });
    during = await looked.catch((error: unknown) => error);
    await shop.db.client.query('delete from customers where id = 7');
  });
  expect(during).toMatchObject({ code: 'CATALOG_CONFLICT' });
  expect(again.erasure).toMatchObject({ id: erasure, phase: 'deleted', rows: { 'public.customers': 2 } });
});

test('who is killed while writing down what is followed goes on with the rest, and all of it is settled in as many events', async () => {
  const shop = await erasingShop();
  const { eraser, journal } = shop;
  // One hash in each event.
  const parts = { eraser, hasher, shred: null, eventBytes: 40 };
  const never = () => expect.unreachable('nobody is told to delete anything yet');
  const dying = { ...parts, journal: killedBefore(journal, 'found', 8), wait: never };
  await expect(trackErasure(known, '7', dying)).rejects.toThrow('killed');
  const [begun] = journal.state.erasures.values();
  expect(begun).toMatchObject({ phase: 'requested', tracked: { whole: false } });
  const { erasure } = await trackErasure(known, '7', {
    ...parts,
    journal,
    wait: async () => {
      expect(journal.state.erasures.get(begun!.id)).toMatchObject({
        phase: 'found',
        tracked: { whole: true },
      });
      await shop.db.client.query(givesOne.replace('where id = 13', 'where id in (13, 14)'));
    },
  });
  expect(erasure).toMatchObject({ id: begun!.id, phase: 'deleted', tracked: null });
  expect(journal.state.events.filter(({ type }) => type === 'deleted').length).toBeGreaterThan(1);
  expect(shop.keptOut(13, 14)).toEqual([false, false]);
  await shop.expectInViews();
});

test.each([
  ['overwritten', { note: 'somebody' }],
  ['kept as they are', {}],
])('what hung on rows that are %s and were given away is not said to be gone', async (_how, set) => {
  const shop = await erasingShop();
  const { eraser, journal, log, db } = shop;
  const payments = 'shop.public.payments';
  await db.client.query('alter table orders drop constraint orders_customer_id_fkey');
  await shop.expectInViews();
  const [record] = await recordsOf(log, payments);
  const error = new InsideoutError('RECORD_UNCONVERTIBLE', 'It threw.', { hint: 'Mend it.' });
  const letter = { topic: payments, partition: 0, record: record!, view: 'v', error, attempts: 1 };
  await writeDeadLetters(log, [{ ...letter, stage: 'convert' }]);
  const keeping = { ...known, ...subject(customer, { 'public.orders': set }) };
  await trackErasure(keeping, '7', {
    eraser,
    journal,
    hasher,
    shred: null,
    wait: async () => {
      await db.client.query(`update orders set customer_id = 8 where id = 13; delete from payments where order_id = 14;
        delete from customers where id = 7`);
    },
  });
  const [erasure] = await shop.finish();
  expect(erasure).toMatchObject({ phase: 'passed', rows: { 'public.customers': 1, 'public.payments': 1 } });
  const tracer = new Tracer(hasher, [targetOf(erasure!, { telling: ['only'], texts: new Map() })]);
  const { signal } = new AbortController();
  const whole = { origin: payments, key: {}, whole: true };
  const letters = { kind: 'dead letters', topic: deadLetterTopic(payments), ...whole } as const;
  const place = placeOf(await lookAtTopic(log, letters, { tracer, signal }), erasure!.id, tracer);
  expect(place).toMatchObject({ state: 'unverifiable', reason: expect.stringContaining('whose they were') });
  // Payment 13 is somebody else's now, with what is told of it: not yet compacted away is that of 14.
  const topic = { kind: 'topic', topic: payments, ...whole } as const;
  expect((await lookAtTopic(log, topic, { tracer, signal })).traces).toEqual(new Map([[erasure!.id, 1]]));
});
