import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { openShop } from './business.ts';
import { end, insideout } from './children.ts';
import { compare, truths } from './compare.ts';
import { count, type Performance, perform } from './perform.ts';
import { createShop, size } from './schema.ts';

const topics = ['customers', 'products', 'orders', 'payments'].map((table) => `shop.public.${table}`);

/** `npm run demo`: a real Postgres, two real daemons, a crash, and a comparison of every row. */
await perform(demo, [
  'npm run demo:rebuild    changes a view while it is read, with no gap, and takes it back',
  'npx insideout init      writes a config for your own database',
  'npx insideout doctor    checks it, and says how to mend what is missing',
  'npx insideout up        captures, and keeps the views up to date',
  'README.md               Kafka, Redis and Cassandra; what is guaranteed and what is not',
]);

async function demo(on: Performance): Promise<void> {
  const { step, line, progress, until, atEnd, folder } = on;
  step('Starting a real PostgreSQL with logical replication, and filling a shop');
  const server = await startPostgres();
  atEnd(() => server.stop());
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  atEnd(() => client.end());
  await createShop(client, size);
  line(
    `${count(size.customers)} customers, ${count(size.products)} products, ${count(size.orders)} orders, ${count(size.payments)} payments`,
  );

  step('Starting two daemons: `insideout source run` and `insideout view run`');
  const env = { SHOP_DATABASE_URL: server.url, SHOP_FOLDER: folder };
  const source = insideout(['source', 'run'], { env });
  on.watch(source);
  atEnd(() => end(source, 'SIGTERM'));
  let materializer = insideout(['view', 'run'], { env });
  on.watch(materializer);
  atEnd(() => end(materializer, 'SIGTERM'));
  line('The Log and the views are SQLite files; with Kafka, Redis or Cassandra only the config differs.');

  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  atEnd(() => log.close());
  await until('the views', async () => existsSync(join(folder, 'views.db')));
  const db = new Database(join(folder, 'views.db'), { readonly: true });
  atEnd(() => db.close());
  const inLog = async () => [...(await log.offsets(topics)).values()].reduce((sum, o) => sum + o.end, 0);
  const inViews = () => {
    try {
      return (
        (db.prepare('select sum(next) as n from insideout_checkpoints').get() as { n: number | null }).n ?? 0
      );
    } catch {
      return 0;
    }
  };
  const total = size.customers + size.products + size.orders + size.payments;
  const show = async () => {
    const [logged, applied] = [await inLog(), inViews()];
    progress(
      `in the Log: ${count(logged)} records   applied to views: ${count(applied)}   behind: ${count(Math.max(0, logged - applied))}`,
    );
    return { logged, applied };
  };
  await until('the snapshot', async () => {
    const { logged, applied } = await show();
    return logged >= total && applied >= total;
  });
  line(`snapshot complete: ${count(total)} rows are in the Log and in ${Object.keys(truths).length} views`);

  step('The shop is open: orders are placed, paid, shipped');
  const business = openShop(server.url, { size, pauseMs: 2, signal: on.signal });
  atEnd(() => business.close());
  const shopFor = async (ms: number) => {
    const end = Date.now() + ms;
    await until('the shop', async () => {
      await show();
      return Date.now() > end;
    });
  };
  await shopFor(2_500);
  line(`${count(business.changes())} changes so far`);

  step('Plain SQL on the views');
  for (const sql of [
    'select * from customer_card where id = 42',
    'select status, count(*) as orders from open_order group by status order by status',
    'select sku, price, tags from product_price limit 2',
  ]) {
    line(`sqlite> ${sql}`);
    for (const row of db.prepare(sql).all()) line(`  ${JSON.stringify(row)}`);
  }

  step('Deleting customer 42 in Postgres; orders and payments go with it');
  const gone = () => {
    const one = (sql: string) => (db.prepare(sql).get() as { n: number }).n;
    return {
      cards: one('select count(*) as n from customer_card where id = 42'),
      orders: one('select count(*) as n from open_order where customer_id = 42'),
    };
  };
  line(`in the views before: ${JSON.stringify(gone())}`);
  const deletedAt = performance.now();
  await client.query('delete from customers where id = 42');
  await until('the delete', async () => gone().cards + gone().orders === 0);
  line(
    `in the views after:  ${JSON.stringify(gone())}   (${Math.round(performance.now() - deletedAt)} ms later)`,
  );

  step('Killing the materializer with SIGKILL while the shop goes on');
  await end(materializer, 'SIGKILL');
  const changesAtKill = business.changes();
  await shopFor(1_500);
  line(
    `it is dead; ${count(business.changes() - changesAtKill)} changes were made meanwhile. Starting it again.`,
  );
  materializer = insideout(['view', 'run'], { env });
  on.watch(materializer);
  await shopFor(2_500);
  await business.close();

  step('Closing the shop, and comparing every row of every view with its table');
  let differences = await compare(client, db, truths);
  await until('agreement', async () => {
    await show();
    differences = await compare(client, db, truths);
    return differences.every((d) => d.missing + d.extra === 0);
  }).catch((error: unknown) => {
    on.signal.throwIfAborted();
    line(String(error));
  });
  for (const d of differences)
    line(
      `${d.view.padEnd(14)} ${count(d.rows).padStart(7)} rows   lost ${d.missing}   doubled or wrong ${d.extra}`,
    );
  if (differences.some((d) => d.missing + d.extra > 0)) throw new Error('the views differ from the tables');
  line(`${count(business.changes())} changes and one crash later, nothing was lost and nothing doubled.`);
}
