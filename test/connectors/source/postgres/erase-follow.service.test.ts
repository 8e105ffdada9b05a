import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FollowRequest, SourceEraser, SubjectRows } from '../../../../connectors/source/erasure.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { count, customer, eraserOf, messages, shopSchema, subject } from './shop.ts';

let db: TestDatabase;
let eraser: SourceEraser;

beforeEach(async () => {
  db = await createDatabase();
  await db.client.query(shopSchema);
  eraser = eraserOf(db);
});
afterEach(async () => {
  await eraser.close();
  await db.drop();
});

const noted = (rows: readonly SubjectRows[]): FollowRequest => ({ id: 'e', noted: rows, others: null });
const keysOf = (rows: readonly SubjectRows[] = []) =>
  Object.fromEntries(rows.map((r) => [r.topic, r.keys.map((key) => key.join('/')).sort()]));
const givenAway = `update orders set customer_id = 8 where id = 13;
  delete from payments where no = 14; delete from orders where id = 14; delete from customers where id = 7`;

test('while a row is there that is to be deleted nothing is told of others, and no barrier is written', async () => {
  const told = await messages(db);
  const of = subject(customer);
  const { rows, telling, owners } = await eraser.find(of, '7');
  const left = { id: '7', rows, telling, owners };
  expect(await eraser.follow(of, '007', noted(rows))).toEqual({ ...left, gone: null });
  expect(await told()).toEqual([]);
});

test('behind the deletes it is told which of the noted rows are somebody else’s, with a barrier in the same moment', async () => {
  await db.client.query('alter table orders add unique (note)');
  const told = await messages(db);
  const of = subject(customer);
  const { rows } = await eraser.find(of, '7');
  await db.client.query(givenAway);
  const { gone, ...found } = await eraser.follow(of, '7', noted(rows));
  expect(found).toMatchObject({ id: '7', rows: [], telling: [] });
  expect(keysOf(gone?.kept.rows)).toEqual({
    'shop.public.orders': ['13'],
    'shop.public.payments': ["it's/13"],
  });
  expect(gone?.kept.telling).toEqual(['order 13']);
  expect(gone?.kept.owners.find((of) => of.through !== null)).toMatchObject({
    column: 'order_id',
    values: ['13'],
  });
  expect(gone?.point).toEqual({
    lsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    micros: expect.stringMatching(/^\d{16}$/),
  });
  expect(await told()).toEqual([{ id: gone?.barrier, erasure: 'e' }]);
});

test('of rows that are known by hash only all tables of their topics are read, page by page', async () => {
  await db.client.query(`insert into orders select n, 9, 'o' from generate_series(1001, 12000) n`);
  const of = subject(customer);
  await db.client.query(givenAway);
  const asked: string[] = [];
  const others = {
    topics: new Set(['shop.public.orders']),
    has: (topic: string, key: object) => {
      asked.push(topic);
      return ['{"id":"13"}', '{"id":"14"}', '{"id":"12000"}'].includes(JSON.stringify(key));
    },
  };
  const { gone } = await eraser.follow(of, '7', { id: 'e', noted: [], others });
  expect(keysOf(gone?.kept.rows)).toEqual({ 'shop.public.orders': ['12000', '13'] });
  expect([asked.length, new Set(asked)]).toEqual([11_039, others.topics]);
});

test('a row counts as there when its key is written alike, in the partition that it was in', async () => {
  await db.client.query(`
    create table holdings (who bigint, amount numeric, flag bool, kind char(4), at date,
      primary key (amount, flag, kind, at)) partition by range (at);
    create table holdings_1 partition of holdings for values from ('2020-01-01') to ('2021-01-01');
    create table holdings_2 partition of holdings for values from ('2021-01-01') to ('2022-01-01');
    drop publication shop; create publication shop for table holdings, customers;
    insert into holdings values (7, 1.50, true, 'a', '2020-02-03'), (7, 2.50, false, 'b', '2020-02-03'),
      (7, 3, true, 'c', '2021-02-03'), (7, 4, true, 'd', '2020-02-03')`);
  const of = subject(['public.customers.id', 'public.holdings.who']);
  await db.client.query(
    'delete from orders where false; alter table orders drop constraint orders_customer_id_fkey',
  );
  const { rows } = await eraser.find(of, '7');
  expect(rows.map((r) => r.topic).sort()).toEqual([
    'shop.public.customers',
    'shop.public.holdings_1',
    'shop.public.holdings_2',
  ]);
  await db.client.query(`
    update holdings set who = 8 where amount in (1.5, 3);
    update holdings set who = 8, amount = 2.5 where amount = 2.50;
    delete from holdings where amount = 4; delete from customers where id = 7`);
  // One that says it was in another partition is another row.
  const moved = rows.map((r) =>
    r.topic === 'shop.public.holdings_2' ? { ...r, topic: 'shop.public.holdings_1' } : r,
  );
  const kept = async (of_: readonly SubjectRows[]) =>
    keysOf((await eraser.follow(of, '7', noted(of_))).gone?.kept.rows);
  expect(await kept(rows)).toEqual({
    'shop.public.holdings_1': ['1.50/true/a   /2020-02-03'],
    'shop.public.holdings_2': ['3/true/c   /2021-02-03'],
  });
  expect(await kept(moved)).toEqual({ 'shop.public.holdings_1': ['1.50/true/a   /2020-02-03'] });
});

test('rows whose keys are known are found by indexes, however large the tables are', async () => {
  await db.client.query(`insert into customers select n, 'p' || n, 'p' from generate_series(1001, 50000) n;
    insert into orders select n, 9, 'o' from generate_series(1001, 50000) n;
    insert into payments select 's', n, n, 'c' from generate_series(1001, 50000) n; analyze`);
  const of = subject(customer);
  const { rows } = await eraser.find(of, '7');
  await db.client.query(givenAway);
  const scans = async () => {
    await eraser.close();
    await db.client.query('select pg_stat_force_next_flush()');
    const { rows } = await db.client.query('select relname, seq_scan from pg_stat_user_tables order by 1');
    return rows;
  };
  const before = await scans();
  for (let i = 0; i < 10; i++)
    expect(keysOf((await eraser.follow(of, '7', noted(rows))).gone?.kept.rows)).toMatchObject({
      'shop.public.orders': ['13'],
    });
  expect(await scans()).toEqual(before);
});

test('it is told how a transaction ended: committed, undone, still open, or of a future that was lost', async () => {
  const of = subject(customer);
  const other = eraserOf(db);
  const transactions: string[] = [];
  const begun = async (id: string, then: () => Promise<unknown>) =>
    eraser.erase(of, id, {
      id: 'e',
      beforeCommit: async (_found, { transaction }) => {
        transactions.push(transaction);
        expect(await other.outcome(transaction)).toBe('open');
        await then();
      },
    });
  const settled = async () =>
    eventually('it is settled', async () => {
      const outcome = await other.outcome(transactions.at(-1)!);
      return outcome === 'open' ? null : outcome;
    });
  await begun('7', async () => {});
  expect(await settled()).toBe('committed');
  await expect(begun('8', () => Promise.reject(new Error('no')))).rejects.toThrow();
  expect(await settled()).toBe('undone');
  // As when the machine that erases goes away.
  const cut = () =>
    db.client.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction'`);
  await expect(begun('8', cut)).rejects.toThrow();
  expect(await settled()).toBe('undone');
  expect(await count(db, 'customers where id = 8')).toBe(1);
  expect(await other.outcome(String(BigInt(transactions.at(-1)!) + 1_000_000n))).toBe('undone');
  await other.close();
});
