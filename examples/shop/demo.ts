import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import pg from 'pg';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { end, insideout } from './children.ts';
import { compare, views } from './compare.ts';
import { createShop, doBusiness, size } from './schema.ts';
import { screen } from './screen.ts';

/** `npm run demo`: a real Postgres, two real daemons, a crash, and a comparison of every row. */
const { step, line, progress } = screen(process.stdout);
const folder = mkdtempSync(join(tmpdir(), 'insideout-demo-'));
const cleanUp: (() => Promise<unknown>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interrupted.abort(new Error('interrupted')));

const topics = ['customers', 'products', 'orders', 'payments'].map((table) => `shop.public.${table}`);
const count = (n: number) => n.toLocaleString('en-US');

async function until(what: string, reached: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await reached())) {
    interrupted.signal.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`${what}: not reached within 40 s`);
    await wait(50);
  }
}

async function demo(): Promise<void> {
  step('Starting a real PostgreSQL with logical replication, and filling a shop');
  const server = await startPostgres();
  cleanUp.unshift(() => server.stop());
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  cleanUp.unshift(() => client.end());
  await createShop(client);
  line(
    `${count(size.customers)} customers, ${count(size.products)} products, ${count(size.orders)} orders, ${count(size.payments)} payments`,
  );

  step('Starting two daemons: `insideout source run` and `insideout view run`');
  const env = { SHOP_DATABASE_URL: server.url, SHOP_FOLDER: folder };
  const source = insideout(['source', 'run'], env);
  cleanUp.unshift(() => end(source, 'SIGTERM'));
  let materializer = insideout(['view', 'run'], env);
  cleanUp.unshift(() => end(materializer, 'SIGTERM'));
  line('The Log and the views are SQLite files; with Kafka, Redis or Cassandra only the config differs.');

  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  cleanUp.unshift(() => log.close());
  await until('the views', async () => existsSync(join(folder, 'views.db')));
  const db = new Database(join(folder, 'views.db'), { readonly: true });
  cleanUp.unshift(async () => db.close());
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
  line(`snapshot complete: ${count(total)} rows are in the Log and in ${views.length} views`);

  step('The shop is open: orders are placed, paid, shipped');
  let changes = 0;
  let open = true;
  cleanUp.unshift(async () => {
    open = false;
    await business;
  });
  const business: Promise<void> = (async () => {
    const seller = new pg.Client({ connectionString: server.url });
    await seller.connect();
    while (open && !interrupted.signal.aborted) {
      changes += await doBusiness(seller, Math.random);
      await wait(2);
    }
    await seller.end();
  })();
  const shopFor = async (ms: number) => {
    const end = Date.now() + ms;
    await until('the shop', async () => {
      await show();
      return Date.now() > end;
    });
  };
  await shopFor(2_500);
  line(`${count(changes)} changes so far`);

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
  const changesAtKill = changes;
  await shopFor(1_500);
  line(`it is dead; ${count(changes - changesAtKill)} changes were made meanwhile. Starting it again.`);
  materializer = insideout(['view', 'run'], env);
  await shopFor(2_500);
  open = false;
  await business;

  step('Closing the shop, and comparing every row of every view with its table');
  let differences = await compare(client, db);
  await until('agreement', async () => {
    await show();
    differences = await compare(client, db);
    return differences.every((d) => d.missing + d.extra === 0);
  }).catch((error: unknown) => {
    interrupted.signal.throwIfAborted();
    line(String(error));
  });
  for (const d of differences)
    line(
      `${d.view.padEnd(14)} ${count(d.rows).padStart(7)} rows   lost ${d.missing}   doubled or wrong ${d.extra}`,
    );
  if (differences.some((d) => d.missing + d.extra > 0)) throw new Error('the views differ from the tables');
  line(`${count(changes)} changes and one crash later, nothing was lost and nothing doubled.`);
}

let failed: unknown = null;
try {
  await demo();
} catch (error) {
  failed = error;
}
step('Stopping everything and removing its files');
for (const work of cleanUp) await work().catch(() => {});
if (failed) {
  line(`The demo did not finish: ${failed instanceof Error ? failed.message : String(failed)}`);
  process.exitCode = 1;
} else {
  line('Next:');
  line('  npx insideout init      writes a config for your own database');
  line('  npx insideout doctor    checks it, and says how to mend what is missing');
  line('  npx insideout up        captures, and keeps the views up to date');
  line('  README.md               Kafka, Redis and Cassandra; what is guaranteed and what is not');
}
