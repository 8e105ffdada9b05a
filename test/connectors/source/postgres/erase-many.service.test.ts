import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SourceEraser } from '../../../../connectors/source/erasure.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { count, customer, eraserOf, shopSchema, subject } from './shop.ts';

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

/** How often each table was read from one end to the other, by queries and by foreign keys. */
async function scans(): Promise<Record<string, number>> {
  await eraser.close();
  await db.client.query('select pg_stat_force_next_flush()');
  const { rows } = await db.client.query(`select relname, seq_scan from pg_stat_user_tables`);
  return Object.fromEntries(rows.map((r) => [r.relname, Number(r.seq_scan)]));
}

test('a thousand subjects among 100,000 rows are erased by indexes alone, in milliseconds each', async () => {
  await db.client.query(`truncate customers, orders, payments;
    create table logs (at date, id int, customer_id bigint references customers, primary key (at, id)) partition by hash (at, id);
    create table logs_0 partition of logs for values with (modulus 2, remainder 0);
    create table logs_1 partition of logs for values with (modulus 2, remainder 1);
    create index on logs (customer_id);
    insert into customers select n, 'p' || n, 'p' from generate_series(1, 50000) n;
    insert into orders select n, (n - 1) / 2 + 1, 'o' from generate_series(1, 100000) n;
    insert into payments select 's', n, n, 'c' from generate_series(1, 100000) n;
    insert into logs select '2020-01-01', n, (n - 1) / 2 + 1 from generate_series(1, 100000) n;
    analyze`);
  const before = await scans();
  const declared = subject([...customer, 'public.logs.customer_id'], { 'public.payments': { card: null } });
  const anonymised = subject([...customer, 'public.logs.customer_id'], {
    'public.customers': { name: 'erased', email: null },
    'public.orders': { note: null },
    'public.payments': { card: null },
  });
  const refused = await eraser.erase(declared, '1', { id: 'e' }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'CONFIG_INVALID' });
  const all = subject([...customer, 'public.logs.customer_id']);
  const began = performance.now();
  for (let id = 1; id <= 1_000; id++) {
    const { rows } = await eraser.erase(all, String(id), { id: `e${id}` });
    expect(rows.flatMap((r) => r.keys)).toHaveLength(7);
  }
  const each = (performance.now() - began) / 1_000;
  for (let id = 1_001; id <= 1_020; id++) await eraser.erase(anonymised, String(id), { id: `e${id}` });
  await eraser.find(all, '2000');
  expect(await scans()).toEqual(before);
  expect(await count(db, 'customers')).toBe(49_000);
  expect(await count(db, 'orders')).toBe(98_000);
  console.info(`${each.toFixed(2)} ms for each subject`);
  // Generous: the commit of each waits for the disk, which other tests use as well.
  expect(each).toBeLessThan(100);
});

test('without an index the table is read, which the test above would notice', async () => {
  await db.client.query('drop index orders_customer_id_idx');
  const before = await scans();
  await eraser.erase(subject(customer), '7', { id: 'e' });
  expect((await scans()).orders).toBeGreaterThan(before.orders ?? 0);
});

test('a subject with a hundred thousand rows goes in one transaction', async () => {
  await db.client.query(`insert into orders select n, 7, 'o' from generate_series(1001, 101000) n`);
  const { rows } = await eraser.erase(subject(customer), '7', { id: 'e' });
  expect(rows.find((r) => r.table === 'public.orders')?.keys).toHaveLength(100_002);
  expect(await count(db, 'orders where customer_id = 7')).toBe(0);
});
