import { fork } from 'node:child_process';
import { once } from 'node:events';
import cassandra from 'cassandra-driver';
import type { Ceiling } from '../cases/case.ts';
import { cassandraAddress } from '../servers.ts';
import { orderRow } from '../workload/orders.ts';

const keyspace = 'bench_bare';
const columns = 'id, customer_id, status, amount, note, created_at, updated_at, part';
const insert = `INSERT INTO ${keyspace}.rows (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?`;

/** Rows under way at once. */
const width = 256;
const inBatches: Travel = { size: 50, underWay: 8 };
const warmUpRecords = 300_000;

/** How the rows travel: in a request each, or in batches of so many, with so many requests under way. */
export interface Travel {
  readonly size: number;
  readonly underWay: number;
}

const oneByOne: Travel = { size: 1, underWay: width };

/**
 * The driver with prepared inserts on a table of the same layout: one by one, and in unlogged batches of 50. Each in
 * a process of its own, as ours is: one that has inserted before is some 5% faster.
 */
export async function cassandraAlone(records: number): Promise<Ceiling[]> {
  const single = await inOwnProcess(records, oneByOne);
  const batches = await inOwnProcess(records, inBatches);
  const best = Math.max(single, batches);
  return [
    { name: 'bare cassandra-driver, single inserts', recordsPerSecond: single, compared: single === best },
    { name: 'bare cassandra-driver, batches of 50', recordsPerSecond: batches, compared: batches === best },
  ];
}

async function inOwnProcess(records: number, travel: Travel): Promise<number> {
  const child = fork(new URL('cassandra-child.ts', import.meta.url), [JSON.stringify({ records, travel })]);
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the bare driver ended with code ${code} and no rate`);
  });
  const [rate] = (await Promise.race([once(child, 'message'), ended])) as [number];
  ended.catch(() => {});
  return rate;
}

/** Records a second. */
export const insertRows = (records: number, travel: Travel): Promise<number> =>
  connected((client) => measured(client, records, travel));

/** Writes until a node that was just started has compiled its inner loops: whoever came first would pay for that. */
export async function warmUpCassandra(): Promise<void> {
  await insertRows(warmUpRecords, inBatches);
}

/** Takes a keyspace away, so that what is left to compact of it is nobody else's burden. */
export async function dropKeyspace(keyspace: string): Promise<void> {
  await connected((client) => client.execute(`DROP KEYSPACE ${keyspace}`, [], { prepare: false }));
}

async function connected<T>(work: (client: cassandra.Client) => Promise<T>): Promise<T> {
  const client = new cassandra.Client({
    contactPoints: [cassandraAddress.contactPoint],
    localDataCenter: cassandraAddress.dataCenter,
    queryOptions: { prepare: true, consistency: cassandra.types.consistencies.localQuorum },
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.shutdown();
  }
}

async function measured(
  client: cassandra.Client,
  records: number,
  { size, underWay }: Travel,
): Promise<number> {
  await client.execute(
    `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
    [],
    { prepare: false },
  );
  await client.execute(
    `CREATE TABLE ${keyspace}.rows (id bigint PRIMARY KEY, customer_id bigint, status text, amount text, note text,
      created_at text, updated_at text, part int)`,
    [],
    { prepare: false },
  );
  let next = 1;
  const startedAt = performance.now();
  const lane = async () => {
    while (next <= records) {
      const from = next;
      next = Math.min(next + size, records + 1);
      if (size === 1) await client.execute(insert, params(from), { isIdempotent: true });
      else {
        const queries: { query: string; params: unknown[] }[] = [];
        for (let id = from; id < next; id++) queries.push({ query: insert, params: params(id) });
        await client.batch(queries, { prepare: true, logged: false, isIdempotent: true });
      }
    }
  };
  await Promise.all(Array.from({ length: underWay }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  await client.execute(`DROP KEYSPACE ${keyspace}`, [], { prepare: false });
  return records / seconds;
}

function params(id: number): unknown[] {
  const r = orderRow(id);
  const { Long } = cassandra.types;
  const [key, customer] = [Long.fromNumber(r.id), Long.fromNumber(r.customer_id)];
  return [
    key,
    customer,
    r.status,
    r.amount,
    r.note,
    r.created_at,
    r.updated_at,
    r.id % 4,
    Long.fromNumber(r.id),
  ];
}
