import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import type { Row } from '../../core/value.ts';
import { loadConfig } from '../../daemon/config/load.ts';
import { readersOf } from '../../daemon/readers.ts';
import { type Certificate, chainProblems } from '../../deletes/certificate.ts';
import { loadErasureKey } from '../../deletes/erasure-key.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { answerOf, end, insideout } from './children.ts';
import { borrowStack } from './gdpr/stack.ts';
import { count, type Performance, perform } from './perform.ts';
import { createShop } from './schema.ts';

const onStack = process.argv.includes('--stack');
const config = 'gdpr/insideout.config.ts';
const size = { customers: 400, products: 10, orders: 2_000, payments: 1_500 };
const ada = { id: 42, name: 'Ada Lovelace', email: 'ada.lovelace@analytical.example' };

/** `npm run demo:gdpr`: a customer is erased, everywhere, and cannot come back. */
await perform(demo, [
  'docs/erasure.md                  what is proven and what is not, and each place and state',
  'npx insideout subjects suggest   proposes a subject from the foreign keys of your database',
  ...(onStack ? [] : ['npm run demo:gdpr -- --stack     the same on Kafka, Redis, SQLite and Cassandra']),
]);

async function demo(on: Performance): Promise<void> {
  const { step, line, until, atEnd, folder } = on;
  step(
    onStack
      ? 'A shop on the servers of npm run stack: Kafka, views in Redis, Cassandra and SQLite'
      : 'A real PostgreSQL with a shop; Log and views in SQLite files',
  );
  const { url, stack } = await place(on);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  atEnd(() => client.end());
  await createShop(client, size);
  await client.query('alter table customers add unique (email)');
  await client.query('update customers set name = $2, email = $3 where id = $1', Object.values(ada));
  const env = { SHOP_DATABASE_URL: url, SHOP_FOLDER: folder, ...stack };
  Object.assign(process.env, env);
  // Piped, so that it draws no progress of its own on a terminal.
  const daemon = insideout(['up'], { env: { ...env, LOG_LEVEL: 'fatal' }, config, err: 'pipe' });
  daemon.stderr?.resume();
  on.watch(daemon);
  atEnd(() => end(daemon, 'SIGTERM'));

  /** A command as a user types it, with all that it prints. */
  const type = async (
    args: readonly string[],
    options: { code?: number; show?: (text: string) => boolean } = {},
  ) => {
    line(`$ insideout ${args.join(' ')}`);
    const err = process.stdout.isTTY ? 'inherit' : 'pipe';
    const child = insideout(args, { env, config, out: 'pipe', err });
    atEnd(() => end(child, 'SIGKILL'));
    const { code, text } = await answerOf(child, line);
    for (const told of text.split('\n')) if (options.show?.(told) ?? true) line(told);
    if (code !== (options.code ?? 0))
      throw new Error(`insideout ${args.join(' ')} ended with ${code}: ${text}`);
    return text;
  };

  const loaded = await loadConfig({ file: new URL(config, import.meta.url).pathname, folder });
  // Readers create no files, and those of SQLite stores are made by the daemon.
  await until('the views', () => existsSync(join(folder, 'views.db')));
  const readers = readersOf(loaded);
  atEnd(() => readers.close());
  const scan = async (view: string): Promise<Row[]> => {
    const rows: Row[] = [];
    for await (const row of (await readers.view(view)).scan()) rows.push(row);
    return rows;
  };
  const { rows: found } = await client.query<{ id: string }>('select id from orders where customer_id = $1', [
    ada.id,
  ]);
  const orders = new Set(found.map((row) => row.id));
  /** Rows of the customer, by view. */
  const traces = async () => {
    const of: Record<string, number> = {};
    for (const { shape } of loaded.views)
      of[shape.name] = (await scan(shape.name)).filter((row) =>
        shape.name === 'customer_card'
          ? String(row.id) === String(ada.id)
          : orders.has(String(shape.name === 'payment' ? row.order_id : row.id)),
      ).length;
    return of;
  };
  await until('the views', async () => {
    const cards = await scan('customer_card').catch(() => []);
    on.progress(`customer_card ${count(cards.length)} of ${count(size.customers)}`);
    return (
      cards.length >= size.customers &&
      (await scan('order_card')).length >= size.orders &&
      (await scan('open_order')).length >= (size.orders * 3) / 4 &&
      (await scan('payment')).length >= size.payments
    );
  });

  step(`Customer ${ada.id} is in every view, in the Log, and in a dead letter`);
  const card = async (id: number) => (await readers.view('customer_card')).get([BigInt(id)]);
  line(JSON.stringify(await card(ada.id), plain));
  line(`rows of hers: ${JSON.stringify(await traces())}`);
  await client.query('update customers set notes = $2 where id = $1', [ada.id, 'call Ada before noon']);
  await client.query(`update customers set name = 'Behind her' where id = 43`);
  await until('the update behind hers', async () => (await card(43))?.name === 'Behind her');
  const own = `${Object.keys(loaded.sources)[0]}.public.`;
  await type(['dlq', 'list'], { show: (text) => text.startsWith('topic ') || text.startsWith(own) });

  step('Erasing her: in the database, the Log, every view, the dead letters; then every place is read back');
  await type(['erase', 'customer', String(ada.id), '--wait']);
  line(`rows of hers: ${JSON.stringify(await traces())}`);
  expectNone(await traces());

  step('The certificate: signed, chained to the one before, and without personal data');
  const shown = JSON.parse(await type(['erasures', '--json'], { show: nothing })) as {
    id: string;
    certificate: Certificate;
  }[];
  const { id, certificate } = shown[0]!;
  for (const text of JSON.stringify(withoutPlaces(certificate), null, 2).split('\n')) line(text);
  const short = id.slice(0, 8);
  const page = join(folder, 'certificate.html');
  await type(['erasure', 'show', short, '--html', page], { show: nothing });
  await type(['erasure', 'verify', short], { show: verdicts });

  step(
    'A backup of the database is restored: her old rows are inserted again, and a view is rebuilt from offset 0',
  );
  await client.query('insert into customers (id, name, email) overriding system value values ($1, $2, $3)', [
    ada.id,
    ada.name,
    ada.email,
  ]);
  for (const order of orders)
    await client.query(
      `insert into orders (id, customer_id, status, amount) overriding system value values ($1, $2, 'new', 1)`,
      [order, ada.id],
    );
  await client.query(
    `insert into customers (id, name) overriding system value values (900001, 'Grace Hopper')`,
  );
  await client.query(
    `insert into orders (id, customer_id, status, amount) overriding system value values (900001, 900001, 'new', 1)`,
  );
  await until(
    'the rows behind hers',
    async () =>
      (await scan('customer_card')).some((row) => row.id === 900001n) &&
      (await scan('open_order')).some((row) => row.id === 900001n),
  );
  line(`rows of hers, when later ones have arrived: ${JSON.stringify(await traces())}`);
  await type(['rebuild', 'order_card', '--promote']);
  line(`rows of hers, in the new generation:        ${JSON.stringify(await traces())}`);
  expectNone(await traces());
  line('The views keep her out. That the Log has her again is noticed:');
  await type(['erasure', 'verify', short], { code: 3, show: verdicts });

  step('Erasing what was restored, and verifying both erasures');
  await type(['erase', 'customer', String(ada.id), '--wait'], { show: nothing });
  await type(['erasure', 'verify'], { show: verdicts });

  step('Altering the certificate: one order fewer');
  const altered = structuredClone(certificate) as { body: { rows: Record<string, number> } } & Certificate;
  altered.body.rows['public.orders']! -= 1;
  const { publicKey } = loadErasureKey(join(folder, 'erasure-key.pem'), { create: false });
  const problems = chainProblems([altered], publicKey);
  if (problems.length === 0) throw new Error('an altered certificate passed');
  line(`a copy:      ${problems.join('; ')}`);
  if (!onStack) {
    await end(daemon, 'SIGTERM');
    alterInLog(join(folder, 'log.db'), altered);
    line('in the Log itself:');
    await type(['erasure', 'verify', short], { code: 3, show: verdicts });
  }
}

/** Where the shop's database is, and what the config is told of the stack. */
async function place(on: Performance): Promise<{ url: string; stack: Record<string, string> }> {
  if (onStack) {
    const { url, places, giveBack } = await borrowStack();
    on.atEnd(giveBack);
    return { url, stack: { SHOP_STACK: JSON.stringify(places) } };
  }
  const server = await startPostgres();
  on.atEnd(() => server.stop());
  return { url: server.url, stack: {} };
}

/** As somebody would who may write to the file. */
function alterInLog(path: string, altered: Certificate): void {
  const db = new Database(path);
  const topic = db
    .prepare('select id from topics where name = ?')
    .pluck()
    .get('__insideout.erasures') as number;
  const records = db
    .prepare<[], { offset: number; value: Buffer }>(`select offset, value from records_${topic}_0`)
    .all();
  for (const { offset, value } of records) {
    const event = JSON.parse(value.toString()) as { erasure: string; certificate?: Certificate };
    if (event.certificate && event.erasure === altered.body.erasure)
      db.prepare(`update records_${topic}_0 set value = ? where offset = ?`).run(
        Buffer.from(JSON.stringify({ ...event, certificate: altered })),
        offset,
      );
  }
  db.close();
}

function expectNone(traces: Readonly<Record<string, number>>): void {
  if (Object.values(traces).some((n) => n > 0)) throw new Error('rows of an erased customer are in a view');
}

function withoutPlaces({ body, ...rest }: Certificate): object {
  return { ...rest, body: { ...body, places: `${body.places.length} places, as shown above` } };
}

function plain(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function nothing(): boolean {
  return false;
}

/** Of a verification all but the places that are as they should be. */
function verdicts(text: string): boolean {
  return text !== '' && !/^PLACE|\s(verified|unverifiable)\s|^(head of| {2}keep)/.test(text);
}
