import Database from 'better-sqlite3';
import cassandra from 'cassandra-driver';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { temporaryFolder } from '../materializer/customers.ts';
import { goThrough, histories, type Step } from '../materializer/generations/histories.ts';
import { servers, uniqueName } from '../support/servers.ts';

const { kafka, registry, redis, cassandra: server } = servers();
const folder = temporaryFolder();
const keyspaces: string[] = [];
const prefixes: string[] = [];

afterAll(async () => {
  folder.remove();
  const client = new cassandra.Client({
    contactPoints: [server.contactPoint],
    localDataCenter: server.dataCenter,
  });
  for (const keyspace of keyspaces) await client.execute(`drop keyspace if exists ${keyspace}`);
  await client.shutdown();
  const connection = new Redis(redis);
  for (const prefix of prefixes) {
    const keys = await connection.keys(`${prefix}*`);
    if (keys.length > 0) await connection.unlink(...keys);
  }
  await connection.quit();
});

const logs = {
  Kafka: () => ({ kind: 'kafka', brokers: [kafka], registry: { url: registry } }),
  'the embedded Log': () => ({ kind: 'embedded', path: folder.path(`${uniqueName('log')}.db`) }),
} as const;

const stores = {
  SQLite: () => ({ kind: 'sqlite' as const, path: folder.path(`${uniqueName('views')}.db`) }),
  Redis: () => {
    const prefix = `${uniqueName('h')}:`;
    prefixes.push(prefix);
    return { kind: 'redis' as const, url: redis, prefix };
  },
  Cassandra: () => {
    const keyspace = uniqueName('h').toLowerCase();
    keyspaces.push(keyspace);
    return {
      kind: 'cassandra' as const,
      contactPoints: [server.contactPoint],
      dataCenter: server.dataCenter,
      keyspace,
    };
  },
} as const;

const cases = (Object.keys(logs) as (keyof typeof logs)[]).flatMap((log) =>
  (Object.keys(stores) as (keyof typeof stores)[]).map((store) => ({ log, store })),
);

const place = (log: keyof typeof logs, store: keyof typeof stores) => {
  const namespace = uniqueName('ns').toLowerCase();
  const topic = `${namespace}.public.customers`;
  return { log: logs[log](), store: stores[store](), namespace, topic, partitions: 2 };
};

const one = { op: 'upsert', id: 1, row: { name: 'ann', visits: 4 } } as const;
const two = { op: 'upsert', id: 2, row: { name: 'bob', visits: 5 } } as const;
/** Everything once: a rebuild of the same and of another definition, a crash, back again, and removal. */
const tour: Step[] = [
  { do: 'write', changes: [one, two, { op: 'upsert', id: 3, row: { name: 'gone', visits: 1 } }] },
  { do: 'rebuild', view: 'card', config: 2 },
  { do: 'crash', which: 1 },
  { do: 'write', changes: [{ op: 'move', id: 1, to: 7 }] },
  { do: 'promote', view: 'card', force: false },
  { do: 'write', changes: [{ op: 'truncate' }, two, one] },
  { do: 'rollback', view: 'tags' },
  { do: 'write', changes: [{ op: 'remove', id: 2 }] },
  { do: 'check' },
  { do: 'retire' },
];

/** Tables or keys, as the server itself lists them. */
async function namesIn(store: ReturnType<(typeof stores)[keyof typeof stores]>): Promise<string[]> {
  if (store.kind === 'sqlite') {
    const db = new Database(store.path, { readonly: true });
    const names = db.prepare<[], string>('select name from sqlite_master').pluck().all();
    db.close();
    return names;
  }
  if (store.kind === 'redis') {
    const connection = new Redis(redis);
    const names = await connection.keys(`${store.prefix}*`);
    await connection.quit();
    return names.map((name) => name.slice(store.prefix.length));
  }
  const client = new cassandra.Client({
    contactPoints: [server.contactPoint],
    localDataCenter: server.dataCenter,
  });
  const { rows } = await client.execute(
    'select table_name from system_schema.tables where keyspace_name = ?',
    [store.keyspace],
  );
  await client.shutdown();
  return rows.map((row) => String(row.table_name));
}

test.each(cases)(
  'a view rebuilt, promoted, rolled back and retired on $store from $log is what its definitions make of the source',
  async ({ log, store }) => {
    const at = place(log, store);
    await goThrough(tour, at);
    // Generation 2 of all three was retired; the names of what the store itself still holds say so.
    const names = await namesIn(at.store);
    expect(names.filter((name) => /card.*g1/.test(name)).length).toBeGreaterThan(0);
    expect(names.filter((name) => /g2/.test(name))).toEqual([]);
  },
);

test.each(cases)(
  'after a random history every generation on $store from $log is what its definition makes of the source',
  async ({ log, store }) => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(histories(3), async (steps) => {
        runs++;
        await goThrough(steps, place(log, store));
      }),
      { numRuns: Number(process.env.RUNS ?? 1), seed, endOnFailure: true },
    );
    expect(runs).toBeGreaterThan(0);
  },
);
