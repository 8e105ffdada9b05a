import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { realClock, viewStoreTtlConformance } from '../../conformance/view-store-ttl.ts';
import { everyColumn } from '../../support/every-column.ts';
import { uniqueName } from '../../support/servers.ts';

// A server of its own: SCAN walks everything that is in it.
let server: RunningRedis;
let url: string;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  url = server.url;
  redis = new Redis(url);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
});

const open = () => openRedisStore({ url, prefix: `${uniqueName('hashes')}*:`, rows: 'hash' });
viewStoreConformance('Redis, whose rows are hashes,', open, { runs: 40 });
viewStoreTtlConformance('Redis, whose rows are hashes,', open, realClock());

const every: ViewShape = { name: 'every', columns: everyColumn, key: ['id'] };
const upsert = (offset: number, row: Row): ViewChange => ({ op: 'upsert', offset, key: [row.id!], row });
const nothing = { te: null, i: null, f: null, n: null, bo: null, by: null, ts: null, js: null, ar: null };

/** A generation whose batches go to partition 3 of one topic. */
async function opened(view: ViewShape) {
  const prefix = `${uniqueName('plain')}:`;
  const store = await openRedisStore({ url, prefix, rows: 'hash' });
  const generation = await store.open(view, 1);
  const claim = await generation.claim('t', 3);
  const apply = (changes: readonly ViewChange[]) => {
    const from = changes[0]!.offset;
    return generation.apply(claim, { topic: 't', partition: 3, from, next: from + changes.length, changes });
  };
  return { store, generation, apply, name: (key: string) => `${prefix}${view.name}:{g1}:${key}` };
}

test('HGETALL shows a field for each column that is not null, in a text that people read', async () => {
  const { store, generation, apply, name } = await opened(every);
  const row: Row = {
    id: 42n,
    te: 'Ann "é" \u{1f600}\\\n',
    i: -7,
    f: 1.5,
    n: '100.00',
    bo: true,
    by: new Uint8Array([0, 255]),
    ts: '2026-01-01 00:00:00.000001+00',
    js: '{"a": 1.000}',
    ar: [1, 'x', null, 9007199254740993n],
  };
  const odd = { ...nothing, id: 43n, te: '', f: Number.NaN, bo: false };
  const rows = [row, odd, { ...nothing, id: 44n, f: -0 }, { ...nothing, id: 45n }];
  await apply(rows.map((r, offset) => upsert(offset, r)));
  expect(await redis.hgetall(name('42'))).toEqual({
    _p: '3',
    id: '42',
    te: 'Ann "é" \u{1f600}\\\n',
    i: '-7',
    f: '1.5',
    n: '100.00',
    bo: 'true',
    by: 'AP8=',
    ts: '2026-01-01 00:00:00.000001+00',
    js: '{"a": 1.000}',
    ar: '[1,"x",null,{"$bigint":"9007199254740993"}]',
  });
  expect(await redis.hgetall(name('43'))).toEqual({ _p: '3', id: '43', te: '', f: 'NaN', bo: 'false' });
  expect(await redis.hgetall(name('44'))).toEqual({ _p: '3', id: '44', f: '-0' });
  expect(await redis.hgetall(name('45'))).toEqual({ _p: '3', id: '45' });
  for (const r of rows) expect(await generation.get([r.id!])).toStrictEqual(r);
  await store.close();
});

test('an upsert leaves no field and no end of the row before it', async () => {
  const view: ViewShape = {
    name: 'session',
    columns: { id: 'bigint', name: 'text', at: 'timestamp' },
    key: ['id'],
    ttl: { column: 'at', ms: 3_600_000 },
  };
  const { store, apply, name } = await opened(view);
  await apply([upsert(0, { id: 1n, name: 'a', at: new Date().toISOString() })]);
  expect(await redis.pttl(name('1'))).toBeGreaterThan(0);
  await apply([upsert(1, { id: 1n, name: null, at: 'infinity' })]);
  expect(await redis.hgetall(name('1'))).toEqual({ _p: '3', id: '1', at: 'infinity' });
  expect(await redis.pttl(name('1'))).toBe(-1);
  await store.close();
});

test('a row of nulls alone exists, even where the key is no column of its own', async () => {
  const { store, generation, apply, name } = await opened({
    ...every,
    columns: { id: 'bigint', te: 'text' },
  });
  await apply([{ op: 'upsert', offset: 0, key: [1n], row: { id: null, te: null } }]);
  expect(await redis.hgetall(name('1'))).toEqual({ _p: '3' });
  expect(await generation.get([1n])).toEqual({ id: null, te: null });
  expect(await generation.count()).toBe(1);
  await store.close();
});

test('a text that has no UTF-8 is refused, since it would be read as another', async () => {
  const { store, generation, apply } = await opened(every);
  const half = upsert(0, { ...nothing, id: 1n, te: '\u{1f600}'.slice(0, 1) });
  await expect(apply([half])).rejects.toMatchObject({ code: 'RECORD_UNSTORABLE' });
  expect(await generation.count()).toBe(0);
  await apply([upsert(0, { ...nothing, id: 1n, te: '\\ud83d \u0000', ar: ['\ud83d'] })]);
  expect(await generation.get([1n])).toMatchObject({ te: '\\ud83d \u0000', ar: ['\ud83d'] });
  await store.close();
});

test('a truncate that goes over rows of both partitions removes those of its own', async () => {
  const { store, generation, apply } = await opened(every);
  const claim = await generation.claim('t', 30);
  const changes = Array.from({ length: 2_500 }, (_, i) => upsert(i, { ...nothing, id: BigInt(10_000 + i) }));
  await generation.apply(claim, { topic: 't', partition: 30, from: 0, next: 2_500, changes });
  await apply(Array.from({ length: 2_500 }, (_, i) => upsert(i, { ...nothing, id: BigInt(i) })));
  await apply([{ op: 'truncate', offset: 2_500 }]);
  expect(await generation.count()).toBe(2_500);
  expect(await generation.get([10_000n])).not.toBeNull();
  expect(await generation.get([0n])).toBeNull();
  await store.close();
});

test.each(['string', 'hash'] as const)(
  'a generation whose rows are a %s stays as it is, whatever the store is told later',
  async (rows) => {
    const prefix = `${uniqueName('kept')}:`;
    const other = rows === 'hash' ? 'string' : 'hash';
    const [first, later] = [
      await openRedisStore({ url, prefix, rows }),
      await openRedisStore({ url, prefix, rows: other }),
    ];
    const g = await first.open(every, 1);
    const write = async (generation: typeof g, offset: number) =>
      generation.apply(await generation.claim('t', 0), {
        topic: 't',
        partition: 0,
        from: offset,
        next: offset + 1,
        changes: [upsert(offset, { ...nothing, id: BigInt(offset), te: 'a' })],
      });
    await write(g, 0);
    const again = await later.open(every, 1);
    await write(again, 1);
    const green = await later.open(every, 2);
    await write(green, 0);
    const types = ['1}:0', '1}:1', '2}:0'].map((end) => redis.type(`${prefix}every:{g${end}`));
    expect(await Promise.all(types)).toEqual([rows, rows, other]);
    for (const id of [0n, 1n]) {
      const row = { ...nothing, id, te: 'a' };
      for (const generation of [g, again]) expect(await generation.get([id])).toEqual(row);
    }
    expect(await green.get([0n])).toEqual({ ...nothing, id: 0n, te: 'a' });
    await expect(later.open({ ...every, columns: { id: 'bigint' } }, 1)).rejects.toMatchObject({
      code: 'VIEW_SHAPE',
    });
    for (const store of [first, later]) await store.close();
  },
);
