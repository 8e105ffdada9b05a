import { Client } from 'cassandra-driver';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../../core/view.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const view: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const batchOf = (from: number, next: number) => ({
  topic: 't',
  partition: 0,
  from,
  next,
  changes: Array.from({ length: next - from }, (_, i) => {
    const id = BigInt(from + i);
    return { op: 'upsert', offset: from + i, key: [id], row: { id, name: 'x'.repeat(60) } } as const;
  }),
});

const layouts = ['string', 'hash'] as const;

async function fill(generation: Generation, rows: number): Promise<Generation> {
  const claim = await generation.claim('t', 0);
  for (let from = 0; from < rows; from += 20_000)
    await generation.apply(claim, batchOf(from, Math.min(rows, from + 20_000)));
  return generation;
}

/** Writes to `blue` until `dropped` is done; the longest time that one application took, in milliseconds. */
async function longestApply(blue: Generation, dropped: Promise<void>): Promise<number> {
  const claim = await blue.claim('t', 1);
  let dropping = true;
  dropped.finally(() => {
    dropping = false;
  });
  let longest = 0;
  for (let offset = 0; dropping; offset++) {
    const began = performance.now();
    await blue.apply(claim, { ...batchOf(offset, offset + 1), partition: 1 });
    longest = Math.max(longest, performance.now() - began);
  }
  await dropped;
  return longest;
}

async function namesIn(redis: Redis, pattern: string): Promise<string[]> {
  const names: string[] = [];
  for await (const part of redis.scanStream({ match: pattern, count: 10_000 })) names.push(...part);
  return names.sort();
}

test.each(layouts)(
  'Redis: a writer of another generation does not wait for the drop of a large one, of %s rows',
  async (rows) => {
    const options = { url: servers().redis, prefix: `${uniqueName('drop')}:`, rows };
    const [writer, dropper] = [await openRedisStore(options), await openRedisStore(options)];
    await fill(await writer.open(view, 2), 200_000);
    const longest = await longestApply(await writer.open(view, 1), dropper.drop('card', 2));
    expect(longest).toBeLessThan(250);
    const redis = new Redis(options.url);
    expect(await namesIn(redis, `${options.prefix}*{g2}*`)).toEqual([]);
    expect(await writer.generations('card')).toEqual([1]);
    redis.disconnect();
    for (const store of [writer, dropper]) await store.close();
  },
);

test.each(layouts)(
  'Redis: a drop of %s rows that was cut off is listed, closed to writers, and ended by another',
  async (rows) => {
    const options = { url: servers().redis, prefix: `${uniqueName('cut')}:`, rows };
    const store = await openRedisStore(options);
    const redis = new Redis(options.url);
    const generations = `${options.prefix}insideout:generations:card`;
    const cutOff = async (id: number) => {
      const generation = await fill(await store.open(view, id), 100_000);
      const claim = await generation.claim('t', 0);
      const dropper = await openRedisStore(options);
      const dropped = dropper.drop('card', id).catch((error: unknown) => error);
      await eventually('it is marked', async () => (await redis.hget(generations, String(id))) === '');
      await dropper.close();
      expect(await dropped).toMatchObject({ code: 'STORE_UNREACHABLE' });
      expect((await namesIn(redis, `${options.prefix}card:{g${id}}:*`)).length).toBeGreaterThan(0);
      return { generation, claim };
    };
    const { generation, claim } = await cutOff(1);
    // Whoever only looks neither ends the drop nor makes it anew.
    expect(await store.find(view, 1)).toBeNull();
    expect(await store.generations('card')).toEqual([1]);
    await expect(generation.apply(claim, batchOf(100_000, 100_001))).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    });
    await expect(generation.claim('t', 0)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await expect(store.promote([{ view, from: null, to: 1 }])).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    });
    await store.drop('card', 1);
    expect(await namesIn(redis, `${options.prefix}*`)).toEqual([]);
    await cutOff(2);
    expect(await (await store.open(view, 2)).count()).toBe(0);
    await store.drop('card', 2);
    expect(await namesIn(redis, `${options.prefix}*`)).toEqual([]);
    redis.disconnect();
    await store.close();
  },
);

test('Redis: a drop that goes on after another has ended it leaves a new generation of the same number alone', async () => {
  const options = { url: servers().redis, prefix: `${uniqueName('twice')}:` };
  const [one, two] = [await openRedisStore(options), await openRedisStore(options)];
  await fill(await one.open(view, 1), 100_000);
  const slow = one.drop('card', 1);
  const redis = new Redis(options.url);
  // As if the other had ended it just now, so that the slow one meets rows of the new generation.
  await eventually('it is marked', async () => {
    const shape = await redis.hget(`${options.prefix}insideout:generations:card`, '1');
    return shape === '';
  });
  await redis.hdel(`${options.prefix}insideout:generations:card`, '1');
  const again = await fill(await two.open(view, 1), 100_000);
  await slow;
  expect(await again.count()).toBe(100_000);
  redis.disconnect();
  for (const store of [one, two]) await store.close();
});

const { contactPoint, dataCenter } = servers().cassandra;
const keyspace = uniqueName('drops');
const open = () => openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace });
const client = new Client({ contactPoints: [contactPoint], localDataCenter: dataCenter });
beforeAll(() => client.connect());
afterAll(async () => {
  await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`).catch(() => {});
  await client.shutdown();
});

async function leftInCassandra(name: string) {
  const tables = await client.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
    [keyspace],
    { prepare: true },
  );
  const rowsOf = async (table: string) =>
    (await client.execute(`SELECT view_name FROM ${keyspace}.${table}`)).rows.filter(
      (r) => r.view_name === name,
    );
  return {
    tables: tables.rows.map((r) => String(r.table_name)).filter((table) => table.startsWith(`${name}_g`)),
    entries: (await rowsOf('insideout_generations')).length,
    claims: (await rowsOf('insideout_claims')).length,
  };
}

test('Cassandra: a drop that ended after any of its steps is listed, closed, and ended by another', async () => {
  const store = await open();
  // What a crash leaves: the mark alone, or the mark and no table.
  for (const [at, tableGone] of [false, true, false, true].entries()) {
    const crashed = { ...view, name: `crashed${at}` };
    const generation = await fill(await store.open(crashed, 1), 1_000);
    const claim = await generation.claim('t', 0);
    await client.execute(
      `UPDATE ${keyspace}.insideout_generations SET ready = false WHERE view_name = ? AND generation = 1 IF EXISTS`,
      [crashed.name],
      { prepare: true },
    );
    if (tableGone) await client.execute(`DROP TABLE ${keyspace}.${crashed.name}_g1`);
    expect(await store.find(crashed, 1)).toBeNull();
    expect(await store.generations(crashed.name)).toEqual([1]);
    await expect(generation.claim('t', 0)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await expect(generation.claim('t', 1)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await expect(generation.apply(claim, batchOf(1_000, 1_001))).rejects.toMatchObject({
      code: 'VIEW_FENCED',
    });
    await expect(store.promote([{ view: crashed, from: null, to: 1 }])).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    });
    if (at >= 2) {
      const again = await store.open(crashed, 1);
      expect(await again.count()).toBe(0);
      expect(await again.checkpoint()).toEqual(new Map());
      await fill(again, 10);
    }
    await store.drop(crashed.name, 1);
    await store.drop(crashed.name, 1);
    expect(await leftInCassandra(crashed.name)).toEqual({ tables: [], entries: 0, claims: 0 });
  }
  await store.close();
});

test('Cassandra: a writer of another generation goes on while a large one is dropped', async () => {
  const [writer, dropper] = [await open(), await open()];
  const large = { ...view, name: 'large' };
  await fill(await writer.open(large, 2), 40_000);
  const longest = await longestApply(await writer.open(large, 1), dropper.drop('large', 2));
  // The time of a schema change, which does not grow with the rows.
  expect(longest).toBeLessThan(2_000);
  expect(await leftInCassandra('large')).toEqual({ tables: ['large_g1'], entries: 1, claims: 1 });
  for (const store of [writer, dropper]) await store.close();
});
