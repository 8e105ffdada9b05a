import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import type { ViewBatch, ViewShape } from '../../../core/view.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { realClock, viewStoreTtlConformance } from '../../conformance/view-store-ttl.ts';
import { uniqueName } from '../../support/servers.ts';

// A server of its own: SCAN walks everything that is in it.
let server: RunningRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server?.stop();
});

const open = () => openRedisStore({ url: server.url, prefix: `${uniqueName('conformance')}*:` });
viewStoreConformance('Redis', open, { runs: 40 });
viewStoreTtlConformance('Redis', open, realClock());

const view: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const layouts = ['string', 'hash'] as const;
const batchOf = (from: number, next: number): ViewBatch => ({
  topic: 't',
  partition: 0,
  from,
  next,
  changes: Array.from({ length: next - from }, (_, i) => ({
    op: 'upsert',
    offset: from + i,
    key: [BigInt(from + i)],
    row: { id: BigInt(from + i), name: 'x'.repeat(200) },
  })),
});

test('a row is found by the plain value of its key, as JSON', async () => {
  const prefix = `${uniqueName('plain')}:`;
  const store = await openRedisStore({ url: server.url, prefix });
  const generation = await store.open(view, 1);
  await generation.apply(await generation.claim('t', 0), batchOf(0, 43));
  await store.promote([{ view, from: null, to: 1 }]);
  const reader = new Redis(server.url);
  expect(await reader.get(`${prefix}insideout:active:card`)).toBe('1');
  expect(JSON.parse((await reader.get(`${prefix}card:{g1}:42`)) ?? '')).toEqual({
    id: '42',
    name: 'x'.repeat(200),
    _p: 0,
  });
  reader.disconnect();
  await store.close();
});

test.each(layouts)(
  'a generation of %s rows that was dropped does not read as one without rows',
  async (rows) => {
    const store = await openRedisStore({ url: server.url, prefix: `${uniqueName('dropped')}:`, rows });
    const generation = await store.open(view, 1);
    await generation.apply(await generation.claim('t', 0), batchOf(0, 3));
    expect(await generation.get([9n])).toBeNull();
    await store.drop('card', 1);
    await expect(generation.get([1n])).rejects.toMatchObject({ code: 'VIEW_GENERATION_GONE' });
    await expect(generation.getMany([[1n]])).rejects.toMatchObject({ code: 'VIEW_GENERATION_GONE' });
    await store.close();
  },
);

test.each(layouts)(
  'Redis itself ends a row, a %s, at its time plus the ttl, and a rebuild gives the same end',
  async (rows) => {
    const prefix = `${uniqueName('ends')}:`;
    const store = await openRedisStore({ url: server.url, prefix, rows });
    const session: ViewShape = {
      name: 'session',
      columns: { id: 'bigint', at: 'timestamp' },
      key: ['id'],
      ttl: { column: 'at', ms: 3_600_000 },
    };
    const at = Date.now() - 60_000;
    const times = [new Date(at).toISOString(), 'infinity'].map((text, id) => ({ id: BigInt(id), at: text }));
    const changes = times.map((row, offset) => ({ op: 'upsert', offset, key: [row.id], row }) as const);
    const reader = new Redis(server.url);
    for (const id of [1, 2]) {
      const g = await store.open(session, id);
      await g.apply(await g.claim('t', 0), { ...batchOf(0, 0), next: 2, changes });
      const left = await reader.pttl(`${prefix}session:{g${id}}:0`);
      expect(Math.abs(Date.now() + left - (at + 3_600_000))).toBeLessThan(1_000);
      expect(await reader.pttl(`${prefix}session:{g${id}}:1`)).toBe(-1);
    }
    reader.disconnect();
    await store.close();
  },
);

test('a script that the server has forgotten is sent again', async () => {
  const store = await openRedisStore({ url: server.url, prefix: 'scripts:' });
  const generation = await store.open(view, 1);
  const claim = await generation.claim('t', 0);
  const admin = new Redis(server.url);
  await admin.script('FLUSH');
  await generation.apply(claim, batchOf(0, 9_000));
  expect(await generation.count()).toBe(9_000);
  admin.disconnect();
  await store.close();
});

test.each(layouts)(
  'a server without room for a %s, a replica and a wrong password are told apart, and nothing is half applied',
  async (rows) => {
    const store = await openRedisStore({ url: server.url, prefix: `full ${rows}:`, rows });
    const generation = await store.open(view, 1);
    const claim = await generation.claim('t', 0);
    const admin = new Redis(server.url);
    const refused = async (code: string) => {
      await expect(generation.apply(claim, batchOf(0, 10))).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringContaining(`(${code})`),
      });
      expect(await generation.count()).toBe(0);
    };
    await admin.config('SET', 'maxmemory', '1');
    await refused('OOM');
    // Room first: with none it would evict the generation at once.
    await admin.config('SET', 'maxmemory', '1gb');
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(store.open(view, 2)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await admin.config('SET', 'maxmemory-policy', 'volatile-ttl');
    await store.open(view, 1);
    const ending = { ...view, name: 'ending', columns: { ...view.columns, at: 'timestamp' } } as const;
    await expect(store.open({ ...ending, ttl: { column: 'at', ms: 1 } }, 1)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('volatile-ttl'),
    });
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('127.0.0.1', 1);
    await refused('READONLY');
    await admin.replicaof('NO', 'ONE');
    await generation.apply(claim, batchOf(0, 10));
    expect(await generation.count()).toBe(10);
    await admin.call('ACL', ['SETUSER', 'writer', 'on', '>right', 'allkeys', 'allcommands']);
    const wrong = await openRedisStore({ url: server.url.replace('//', '//writer:wrong@') });
    await expect(wrong.check()).rejects.toMatchObject({ code: 'STORE_AUTH' });
    const right = await openRedisStore({ url: server.url.replace('//', '//writer:right@') });
    await right.check();
    for (const opened of [store, wrong, right]) await opened.close();
    admin.disconnect();
  },
);

test('a zombie cannot write to a generation that was dropped', async () => {
  const store = await openRedisStore({ url: server.url, prefix: 'dropped:' });
  const generation = await store.open(view, 1);
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, batchOf(0, 3));
  await store.drop(view.name, 1);
  await expect(generation.apply(claim, batchOf(0, 3))).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  expect(await (await store.open(view, 1)).count()).toBe(0);
  await store.close();
});
