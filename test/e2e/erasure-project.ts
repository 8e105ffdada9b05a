import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueName } from '../support/servers.ts';

/** What a command answered, looked at by the assertions. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
export type Answer = any;

export interface Place {
  readonly kind: string;
  readonly name: string;
  readonly state: string;
  readonly reason: string;
}

export interface ErasureProject {
  readonly folder: string;
  readonly db: TestDatabase;
  readonly source: string;
  topic(table: string): string;
  start(args: readonly string[], env?: NodeJS.ProcessEnv): RunningCli;
  /** A daemon of everything, ready or not. */
  up(): RunningCli;
  /** Runs a command to its end and reads its answer, one line of JSON on stdout. */
  ask(...args: string[]): Promise<{ code: number | null; answer: Answer; output: string }>;
  /** Everything that any process of the project has printed so far. */
  printed(): string;
  /** Rows of a view as `get` shows them; null when there is none. */
  row(view: string, id: number): Promise<Answer | null>;
  /** Resolves when what is committed now can be read in the view of customers and in that of orders. */
  caughtUp(): Promise<void>;
}

export interface ErasureProjectOptions {
  /** `log` and `stores` of the config; default: embedded, and SQLite under the name `local`. */
  readonly log?: object;
  readonly stores?: Readonly<Record<string, object>>;
  readonly customers?: number;
  /** More settings of `rebuild`. */
  readonly rebuild?: string;
}

/** Values that only customer `id` has. */
export const valuesOf = (id: number): readonly string[] => [
  `only.${id}.mail@example.org`,
  `CARD-only-${id}-7731`,
];

/**
 * A shop in a database of its own: customers with their own address, orders, payments with a card of their own, and
 * reviews that stay and are only anonymised. In each store: customers, a view that is fed by it, orders, payments,
 * and a view that can never apply customer 13.
 */
export async function erasureProject(options: ErasureProjectOptions = {}): Promise<ErasureProject> {
  const { customers = 20 } = options;
  const db = await createDatabase();
  const source = uniqueName('shop');
  const folder = mkdtempSync(join(tmpdir(), 'insideout-erasure-'));
  const stores = options.stores ?? { local: { kind: 'sqlite', path: 'views.db' } };
  const views = Object.keys(stores).map((store) => viewsOf(source, store));
  writeFileSync(
    join(folder, 'insideout.config.mjs'),
    `export default {
      namespace: '${source}',
      sources: { ${source}: { kind: 'postgres', url: '${db.url}', slot: 'slot_${db.name}', partitions: 2,
        tables: ['public.customers', 'public.orders', 'public.payments', 'public.reviews'] } },
      log: ${JSON.stringify(options.log ?? { kind: 'embedded', path: 'log.db' })},
      stores: ${JSON.stringify(stores)},
      views: [${views.join('')}],
      subjects: { customer: { source: '${source}',
        is: ['public.customers.id', 'public.orders.customer_id', 'public.payments.order_id -> public.orders', 'public.reviews.customer'],
        anonymise: { 'public.reviews': { author: 'somebody', email: 'gone@example.org' } },
      } },
      rebuild: { maxLag: 0, steadyMs: 0, ${options.rebuild ?? ''} },
      http: false,
    };`,
  );
  await db.client.query(`
    create table customers (id bigint primary key, email text unique, name text not null, profile jsonb);
    create table orders (id int primary key, customer_id bigint references customers, note text);
    create table payments (id int primary key, order_id int references orders, card text unique);
    create table reviews (id int primary key, customer bigint, author text, email text, stars int);
    create unique index on reviews (email) where email <> 'gone@example.org';`);
  await insert(db, 1, customers);
  const running = new Set<RunningCli>();
  const all: RunningCli[] = [];
  onTestFinished(async () => {
    await Promise.all([...running].map((cli) => cli.end('SIGKILL')));
    await db.drop();
    rmSync(folder, { recursive: true, force: true });
  });
  const start: ErasureProject['start'] = (args, env = {}) => {
    const cli = startCli(args, { cwd: folder, env: { LOG_LEVEL: 'debug', ...env } });
    all.push(cli);
    running.add(cli);
    void cli.exited.then(() => running.delete(cli));
    return cli;
  };
  const [first] = Object.keys(stores);
  const project: ErasureProject = {
    folder,
    db,
    source,
    start,
    topic: (table) => `${source}.public.${table}`,
    up: () => start(['up']),
    async ask(...args) {
      const cli = start(['--json', ...args], { LOG_LEVEL: 'silent' });
      const code = await cli.exited;
      const output = cli.output();
      try {
        return { code, answer: JSON.parse(output.trim().split('\n').at(-1) ?? ''), output };
      } catch {
        throw new Error(`${args.join(' ')} did not answer with JSON: ${output}`);
      }
    },
    printed: () => all.map((cli) => cli.output()).join('\n'),
    async row(view, id) {
      const { code, answer } = await project.ask('get', view, String(id));
      return code === 0 ? answer : null;
    },
    async caughtUp() {
      await eventually('views are caught up', async () => {
        const { code, answer } = await project.ask('status');
        return code === 0 && answer.views.length >= 5 && answer.views.every((v: Answer) => v.lag === 0);
      });
      const probe = 900_000 + Math.floor(Math.random() * 90_000);
      await insert(db, probe, probe);
      for (const view of [`customer_${first}`, `copy_${first}`, `orders_${first}`])
        await eventually(`the view ${view} has the newest row`, async () =>
          project.row(view, view.startsWith('orders') ? probe * 2 : probe),
        );
    },
  };
  return project;
}

/** Customers with two orders, a payment and a review each. */
export async function insert(db: TestDatabase, first: number, last: number): Promise<void> {
  await db.client.query(
    `with c as (insert into customers select n, 'only.' || n || '.mail@example.org', 'Person ' || n,
         jsonb_build_object('contact', jsonb_build_array('only.' || n || '.mail@example.org')) from generate_series($1::int, $2::int) n),
       o as (insert into orders select n * 2 + k, n, 'order' from generate_series($1::int, $2::int) n, generate_series(0, 1) k),
       p as (insert into payments select n, n * 2, 'CARD-only-' || n || '-7731' from generate_series($1::int, $2::int) n)
     insert into reviews select n, n, 'Person ' || n, 'only.' || n || '.mail@example.org', 5 from generate_series($1::int, $2::int) n`,
    [first, last],
  );
}

function viewsOf(source: string, store: string): string {
  return `
    { name: 'customer_${store}', from: '${source}.public.customers', store: '${store}', key: ['id'],
      columns: { id: 'bigint', email: 'text', name: 'text' } },
    { name: 'copy_${store}', from: { view: 'customer_${store}' }, store: '${store}', key: ['id'],
      columns: { id: 'bigint', email: 'text' } },
    { name: 'orders_${store}', from: '${source}.public.orders', store: '${store}', key: ['id'],
      columns: { id: 'int', customer_id: 'bigint', note: 'text' } },
    { name: 'payments_${store}', from: '${source}.public.payments', store: '${store}', key: { no: 'id' },
      columns: { no: 'int', card: 'text' } },
    { name: 'reviews_${store}', from: '${source}.public.reviews', store: '${store}', key: ['id'],
      columns: { id: 'int', author: 'text', email: 'text', stars: 'int' } },
    { name: 'picky_${store}', from: '${source}.public.customers', store: '${store}', key: ['id'],
      reads: { id: 'bigint', email: 'text' }, columns: { id: 'bigint', email: 'text' },
      row: (c) => { if (c.id === 13n) throw new TypeError(c.email); return { email: c.email }; } },`;
}

/** Files below a folder, or the file itself, that hold one of the values as bytes. */
export function filesWith(path: string, values: readonly string[]): string[] {
  let entry: ReturnType<typeof statSync>;
  try {
    entry = statSync(path);
  } catch {
    return [];
  }
  if (entry.isDirectory()) return readdirSync(path).flatMap((name) => filesWith(join(path, name), values));
  try {
    const bytes = readFileSync(path);
    return values.some((value) => bytes.includes(value)) ? [path] : [];
  } catch {
    return [];
  }
}

/** The places of a certificate that say verified. */
export const verified = (places: readonly Place[]): string[] =>
  places.filter((p) => p.state === 'verified').map((p) => `${p.kind} ${p.name}`);
