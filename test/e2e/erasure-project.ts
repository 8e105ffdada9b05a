import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { Row } from '../../core/value.ts';
import type { ViewShape } from '../../core/view.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log } from '../../log/log.ts';
import { stackFolder } from '../../stack/folders.ts';
import { decodeAvro } from '../support/avro-decode.ts';
import { type LoggedRecord, recordsOf } from '../support/capture.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueName } from '../support/servers.ts';
import { sourceStreams } from '../support/source-streams.ts';

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
  /** A row as readers of the view see it; null when there is none. */
  row(view: ViewName, id: number, store?: string): Promise<Row | null>;
  /** All rows as readers of the view see them. */
  rows(view: ViewName, store?: string): Promise<readonly Row[]>;
  /** Every generation of a view that its store has, with all rows. */
  generations(view: ViewName, store?: string): Promise<readonly { id: number; rows: readonly Row[] }[]>;
  /** Resolves when what is committed now is in the Log, and what is in the Log now can be read in every view. */
  caughtUp(): Promise<void>;
  openLog(): Promise<Log>;
  /** Kills its processes and removes its database and folder; done at the end of the test anyway. */
  end(): Promise<void>;
}

export interface ErasureProjectOptions {
  /** `log` and `stores` of the config, and how to open them; default: embedded, and SQLite under the name `local`. */
  readonly log?: { readonly config: object; open(): Promise<Log> };
  readonly stores?: (
    source: string,
  ) => Readonly<Record<string, { readonly config: object; open(): Promise<ViewStore> }>>;
  readonly customers?: number;
  readonly envelope?: 'debezium';
  /** More settings of `rebuild`. */
  readonly rebuild?: string;
}

/** A number that is nowhere by chance. */
export const poison = 7_310_013;

/** Values that only customer `id` has. */
export const valuesOf = (id: number): readonly string[] => [
  `only.${id}.mail@example.org`,
  `CARD-only-${id}-7731`,
];

/**
 * A shop in a database of its own: customers with their own address, orders, payments with a card of their own, and
 * reviews that stay and are only anonymised. In each store: customers, a view that is fed by it, orders, payments,
 * and a view that can never apply the customer `poison`.
 */
export async function erasureProject(options: ErasureProjectOptions = {}): Promise<ErasureProject> {
  const { customers = 20 } = options;
  const db = await createDatabase();
  const source = uniqueName('shop');
  const folder = mkdtempSync(join(tmpdir(), 'insideout-erasure-'));
  const stores = options.stores?.(source) ?? {
    local: {
      config: { kind: 'sqlite', path: 'views.db' },
      open: () => openSqliteStore({ path: join(folder, 'views.db') }),
    },
  };
  const log = options.log ?? {
    config: { kind: 'embedded', path: 'log.db' },
    open: () => openEmbeddedLog({ path: join(folder, 'log.db') }),
  };
  const views = Object.keys(stores).map((store) => viewsOf(source, store));
  writeFileSync(
    join(folder, 'insideout.config.mjs'),
    `export default {
      namespace: '${source}',
      sources: { ${source}: { kind: 'postgres', url: '${db.url}', slot: 'slot_${db.name}', partitions: 2, envelope: '${options.envelope ?? 'none'}',
        tables: ['public.customers', 'public.orders', 'public.payments', 'public.reviews'] } },
      log: ${JSON.stringify(log.config)},
      stores: ${JSON.stringify(Object.fromEntries(Object.entries(stores).map(([name, { config }]) => [name, config])))},
      views: [${views.join('')}],
      subjects: { customer: { source: '${source}',
        is: ['public.customers.id', 'public.orders.customer_id', 'public.payments.order_id -> public.orders', 'public.reviews.customer'],
        anonymise: { 'public.reviews': { author: 'somebody', email: 'gone-{random}@example.org' } },
      } },
      rebuild: { maxLag: 0, steadyMs: 0, ${options.rebuild ?? ''} },
      http: false,
    };`,
  );
  await db.client.query(`
    create table customers (id bigint primary key, email text unique, name text not null, profile jsonb);
    create table orders (id int primary key, customer_id bigint references customers, note text);
    create table payments (id int primary key, order_id int references orders, card text unique);
    create table reviews (id int primary key, customer bigint, author text, email text not null unique, stars int);`);
  await insert(db, 1, customers);
  await insert(db, poison, poison);
  const running = new Set<RunningCli>();
  const all: RunningCli[] = [];
  let ended: Promise<void> | null = null;
  const end = async () => {
    await Promise.all([...running].map((cli) => cli.end('SIGKILL')));
    await db.drop();
    rmSync(folder, { recursive: true, force: true });
  };
  const endOnce = () => {
    ended ??= end();
    return ended;
  };
  onTestFinished(endOnce);
  const start: ErasureProject['start'] = (args, env = {}) => {
    const cli = startCli(args, { cwd: folder, env: { LOG_LEVEL: 'debug', ...env } });
    all.push(cli);
    running.add(cli);
    void cli.exited.then(() => running.delete(cli));
    return cli;
  };
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
    openLog: () => log.open(),
    end: endOnce,
    async row(view, id, name = 'local') {
      const store = await stores[name]!.open();
      try {
        const shape = shapeOf(view, name);
        const active = await store.active(shape.name);
        if (active === null) return null;
        return await (await store.open(shape, active)).get([
          shape.columns[shape.key[0]!] === 'bigint' ? BigInt(id) : id,
        ]);
      } finally {
        await store.close();
      }
    },
    async rows(view, name = 'local') {
      const store = await stores[name]!.open();
      try {
        const shape = shapeOf(view, name);
        const rows: Row[] = [];
        const active = await store.active(shape.name);
        if (active !== null) for await (const row of (await store.open(shape, active)).scan()) rows.push(row);
        return rows;
      } finally {
        await store.close();
      }
    },
    async generations(view, name = 'local') {
      const store = await stores[name]!.open();
      try {
        const shape = shapeOf(view, name);
        const found: { id: number; rows: Row[] }[] = [];
        for (const id of await store.generations(shape.name)) {
          const rows: Row[] = [];
          for await (const row of (await store.open(shape, id)).scan()) rows.push(row);
          found.push({ id, rows });
        }
        return found;
      } finally {
        await store.close();
      }
    },
    async caughtUp() {
      // A new slot has confirmed what was there before it, which is then still to be read in the snapshot.
      await sourceStreams(db, `slot_${db.name}`);
      await db.client.query(`select pg_logical_emit_message(true, 'caught up', '')`);
      const { rows } = await db.client.query('select pg_current_wal_lsn() as lsn');
      await eventually(
        'the source has acknowledged it',
        async () =>
          (
            await db.client.query(
              'select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn >= $2',
              [`slot_${db.name}`, rows[0].lsn],
            )
          ).rowCount === 1,
      );
      const opened = await log.open();
      try {
        for (const [name, { open }] of Object.entries(stores)) {
          const store = await open();
          try {
            for (const view of Object.keys(shapes) as ViewName[])
              await eventually(`${view} in ${name} is caught up`, async () =>
                applied(opened, store, shapeOf(view, name)),
              );
          } finally {
            await store.close();
          }
        }
      } finally {
        await opened.close();
      }
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

/** Readers see a generation that has applied everything that its inputs have now. */
async function applied(log: Log, store: ViewStore, shape: ViewShape): Promise<boolean> {
  const active = await store.active(shape.name);
  if (active === null) return false;
  const checkpoint = await (await store.open(shape, active)).checkpoint();
  const topics = [...new Set([...checkpoint.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))))];
  if (topics.length === 0) return false;
  return [...(await log.offsets(topics))].every(([key, { end }]) => (checkpoint.get(key) ?? 0) >= end);
}

const shapes = {
  customer: { columns: { id: 'bigint', email: 'text', name: 'text' }, key: ['id'] },
  copy: { columns: { id: 'bigint', email: 'text' }, key: ['id'] },
  orders: { columns: { id: 'int', customer_id: 'bigint', note: 'text' }, key: ['id'] },
  payments: { columns: { no: 'int', card: 'text' }, key: ['no'] },
  reviews: { columns: { id: 'int', author: 'text', email: 'text', stars: 'int' }, key: ['id'] },
  picky: { columns: { id: 'bigint', email: 'text' }, key: ['id'] },
} as const;
export type ViewName = keyof typeof shapes;

const shapeOf = (view: ViewName, store: string): ViewShape => ({ name: `${view}_${store}`, ...shapes[view] });

function viewsOf(source: string, store: string): string {
  const more: Record<ViewName, string> = {
    customer: `from: '${source}.public.customers', key: ['id']`,
    copy: `from: { view: 'customer_${store}' }, key: ['id']`,
    orders: `from: '${source}.public.orders', key: ['id']`,
    payments: `from: '${source}.public.payments', key: { no: 'id' }`,
    reviews: `from: '${source}.public.reviews', key: ['id']`,
    picky: `from: '${source}.public.customers', key: ['id'], reads: { id: 'bigint', email: 'text' },
      row: (c) => { if (c.id === ${poison}n) throw new TypeError(c.email); return { email: c.email }; }`,
  };
  return Object.entries(more)
    .map(([view, text]) => {
      const { name, columns } = shapeOf(view as ViewName, store);
      return `{ name: '${name}', store: '${store}', columns: ${JSON.stringify(columns)}, ${text} },\n`;
    })
    .join('');
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

/** Topics of all who use the broker. */
const shared = /^__(consumer_offsets|cluster_metadata|insideout-settings)-/;

/**
 * Files of Kafka's that hold one of the values: of topics of this project, and of those that all share. Other
 * projects on the broker have the same customers.
 */
export function segmentsWith(source: string, values: readonly string[]): string[] {
  const logs = join(stackFolder, 'data', 'kafka', 'logs');
  const folders = readdirSync(logs);
  const own = folders.filter((name) => name.includes(source));
  expect(own.length).toBeGreaterThan(4);
  return [...own, ...folders.filter((name) => shared.test(name))].flatMap((name) =>
    filesWith(join(logs, name), values),
  );
}

/** The newest record of a table that holds this row, as it stands in the Log. */
export async function recordOf(
  project: Pick<ErasureProject, 'openLog' | 'topic'>,
  table: string,
  id: number,
): Promise<LoggedRecord> {
  const log = await project.openLog();
  try {
    for (const record of (await recordsOf(log, project.topic(table))).reverse())
      if (record.value && Number((await decodeAvro(log.schemas, record.value)).id) === id) return record;
  } finally {
    await log.close();
  }
  throw new Error('there is no such record');
}

/** One place of a list. */
export const placeOf = (places: readonly Place[], kind: string, name: string): Place | undefined =>
  places.find((place) => place.kind === kind && place.name === name);

/** The places of a certificate that say verified. */
export const verified = (places: readonly Place[]): string[] =>
  places.filter((p) => p.state === 'verified').map((p) => `${p.kind} ${p.name}`);
