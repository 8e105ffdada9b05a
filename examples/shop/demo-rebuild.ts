import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import pg from 'pg';
import { startPostgres } from '../../stack/postgres.ts';
import { openShop } from './business.ts';
import { answerOf, end, insideout } from './children.ts';
import { compare, rebuiltTruths } from './compare.ts';
import { count, type Performance, perform } from './perform.ts';
import { startReader } from './rebuild/watching.ts';
import { createShop, smallSize as size } from './schema.ts';

const before = 'rebuild/before.config.ts';
const after = 'rebuild/after.config.ts';

/** `npm run demo:rebuild`: a view is changed while the shop writes to it and an application reads it. */
await perform(demo, [
  'docs/operations.md      the everyday procedure, and what each state means',
  'examples/shop/rebuild   the two configs of this demo',
  'npx insideout init      writes a config for your own database',
  'npx insideout plan      says what a changed config would rebuild',
]);

async function demo(on: Performance): Promise<void> {
  const { step, line, until, atEnd, folder } = on;
  step('A real PostgreSQL with a shop; source and views as daemons');
  const server = await startPostgres();
  atEnd(() => server.stop());
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  atEnd(() => client.end());
  await createShop(client, size);
  const env = { SHOP_DATABASE_URL: server.url, SHOP_FOLDER: folder };
  // What daemons think of the other config is no news here.
  const daemon = (args: readonly string[], config: string) => {
    const child = insideout(args, { env: { ...env, LOG_LEVEL: 'error' }, config });
    on.watch(child);
    atEnd(() => end(child, 'SIGTERM'));
    return child;
  };
  daemon(['source', 'run'], before);
  const oldDaemon = daemon(['view', 'run'], before);

  /** A command as a user types it, with all that it prints. */
  const type = async (args: string, config: string) => {
    line(`$ insideout ${args}`);
    const began = performance.now();
    const answer = await answerOf(
      insideout(args.split(' '), { env, config, out: 'pipe', err: 'pipe' }),
      line,
    );
    if (answer.text !== '') for (const text of answer.text.split('\n')) line(text);
    if (answer.code !== 0) throw new Error(`insideout ${args} ended with ${answer.code}`);
    return performance.now() - began;
  };

  await until('the views', () => existsSync(join(folder, 'views.db')));
  const db = new Database(join(folder, 'views.db'), { readonly: true });
  atEnd(() => db.close());
  const recordsIn = (view: string, generation: number) => {
    try {
      return db
        .prepare('select coalesce(sum(next), 0) from insideout_checkpoints where view = ? and generation = ?')
        .pluck()
        .get(view, generation) as number;
    } catch {
      return 0;
    }
  };
  await until('the first build', () => {
    on.progress(
      `order_card ${count(recordsIn('order_card', 1))}   open_order ${count(recordsIn('open_order', 1))} of ${count(size.orders)}`,
    );
    return (
      recordsIn('order_card', 1) >= size.orders &&
      recordsIn('open_order', 1) >= size.orders &&
      recordsIn('customer_card', 1) >= size.customers
    );
  });
  line(`order_card has ${count(size.orders)} rows; open_order is fed by order_card, customer_card is not.`);

  step('The shop is open, and an application reads the SQL views in a tight loop. Both go on to the end.');
  const business = openShop(server.url, { size, pauseMs: 60, signal: on.signal });
  atEnd(() => business.close());
  const reader = startReader(join(folder, 'views.db'));
  atEnd(() => reader.close());
  await wait(500);
  line(await reader.told());

  step('order_card is to get another column, and another word for what is shipped');
  for (const text of changedLines(before, after)) line(text);
  line('');
  await type('plan', after);

  step('Rebuilding it beside the one that is read, and killing that with SIGKILL in the middle');
  line('$ insideout rebuild order_card --promote');
  const first = insideout(['rebuild', 'order_card', '--promote'], {
    env,
    config: after,
    out: 'pipe',
    err: process.stdout.isTTY ? 'inherit' : 'pipe',
  });
  atEnd(() => end(first, 'SIGKILL'));
  const cut = answerOf(first, line);
  await until('the first third', () => {
    if (first.exitCode !== null) throw new Error('the rebuild ended before it could be killed');
    return recordsIn('order_card', 2) >= size.orders / 3;
  });
  await end(first, 'SIGKILL');
  await cut;
  // A killed program cannot give the cursor back.
  if (process.stdout.isTTY) process.stdout.write('\x1b[?25h\n');
  const kept = recordsIn('order_card', 2);
  line(`killed; ${count(kept)} of its records are in generation 2, which nobody reads yet`);
  line('');
  await type('generations', before);

  step('Deploying: a daemon with the new config runs beside the old one, and the rebuild goes on');
  daemon(['view', 'run'], after);
  const beganAt = recordsIn('order_card', 2);
  line('$ insideout rebuild order_card --promote');
  const second = insideout(['rebuild', 'order_card', '--promote'], {
    env,
    config: after,
    out: 'pipe',
    err: process.stdout.isTTY ? 'inherit' : 'pipe',
  });
  atEnd(() => end(second, 'SIGKILL'));
  const { code, text } = await answerOf(second, line);
  for (const told of text.split('\n')) line(told);
  if (code !== 0) throw new Error(`insideout rebuild ended with ${code}`);
  line('');
  line(`It went on from record ${count(beganAt)}. The reader saw:`);
  line(await reader.told(1));

  step('Second thoughts: back to the former generation, which the old daemon has kept current');
  const { rows } = await client.query<{ id: string }>(
    `insert into orders (customer_id, status, amount) values (7, 'shipped', 12.50) returning id`,
  );
  const id = rows[0]!.id;
  const written = () => db.prepare('select * from order_card where id = ?').get(id);
  await until('the new order', () => written() !== undefined);
  line(`written after the swap:  ${JSON.stringify(written())}`);
  await type('rollback order_card', before);
  line(`after the rollback:      ${JSON.stringify(written())}`);
  if (written() === undefined) throw new Error('a later write was lost by the rollback');

  step('And forward again');
  await type('promote order_card --generation 2', after);
  line(`forward again:           ${JSON.stringify(written())}`);
  line('The reader saw:');
  line(await reader.told(2));

  step('Content with it: the old daemon is stopped, and what it followed is removed');
  await end(oldDaemon, 'SIGTERM');
  await type('retire order_card', after);
  line('');
  await type('history order_card', after);

  step('Closing the shop, and computing every row of every view from Postgres');
  await business.close();
  let differences = await compare(client, db, rebuiltTruths);
  await until('agreement', async () => {
    differences = await compare(client, db, rebuiltTruths);
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
  line(reader.total());
  line(`${count(business.changes())} changes were made meanwhile; nothing was lost and nothing doubled.`);
}

function changedLines(one: string, other: string): string[] {
  const [was, is] = [one, other].map((file) =>
    readFileSync(new URL(file, import.meta.url), 'utf8').split('\n'),
  ) as [string[], string[]];
  return [
    ...was.filter((text) => !is.includes(text)).map((text) => `- ${text.trim()}`),
    ...is.filter((text) => !was.includes(text)).map((text) => `+ ${text.trim()}`),
  ];
}
