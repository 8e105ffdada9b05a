import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'cassandra-driver';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import type { Row } from '../../../core/value.ts';
import { compareGenerations } from '../../../materializer/generations/compare.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { everyColumn } from '../../support/every-column.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { fill, freshView, keepMoving } from './compare-tables.ts';

const signal = new AbortController().signal;
const { contactPoint, dataCenter } = servers().cassandra;
const keyspace = uniqueName('compare');
const folder = mkdtempSync(join(tmpdir(), 'insideout-compare-'));
const stores = new Map<string, ViewStore>();
// A server of its own: SCAN walks everything that is in it.
let redis: RunningRedis;

beforeAll(async () => {
  redis = await startRedis();
  stores.set('memory', openMemoryStore());
  stores.set('SQLite', await openSqliteStore({ path: join(folder, 'views.db') }));
  stores.set('Redis', await openRedisStore({ url: redis.url }));
  stores.set('Cassandra', await openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace }));
});
afterAll(async () => {
  for (const store of stores.values()) await store.close();
  await redis?.stop();
  rmSync(folder, { recursive: true });
  const client = new Client({ contactPoints: [contactPoint], localDataCenter: dataCenter });
  await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`);
  await client.shutdown();
});

describe.each(['Redis', 'Cassandra'])('on %s', (name) => {
  test('planted differences are found, and no others', async () => {
    const store = stores.get(name)!;
    const view = freshView();
    const rows = Array.from({ length: 5_000 }, (_, id) => ({
      id,
      a: `a${id}`,
      f: id / 3,
      l: [id, 'x', null],
    }));
    const blue = await fill(await store.open(view, 1), rows);
    const planted = rows
      .filter(({ id }) => id !== 17)
      .map((r) =>
        r.id === 100 ? { ...r, f: -0 } : r.id === 200 ? { ...r, l: [200, null, 'x'], a: 'b' } : r,
      );
    const green = await fill(await store.open(view, 2), [
      ...planted,
      { id: 9_999, a: null, f: null, l: null },
    ]);
    const found = await compareGenerations(blue, green, { signal, settleMs: 100 });
    expect(found).toMatchObject({
      rows: { blue: 5_000, green: 5_000 },
      differences: { onlyBlue: 1, onlyGreen: 1, changed: 2, byColumn: { a: 1, f: 1, l: 1 } },
      settled: 0,
      undecided: 0,
      complete: true,
      caughtUp: true,
    });
    expect([...found.differences.examples].sort((x, y) => Number(x.key[0]) - Number(y.key[0]))).toEqual([
      { key: [17], kind: 'onlyBlue', columns: [] },
      { key: [100], kind: 'changed', columns: ['f'] },
      { key: [200], kind: 'changed', columns: ['a', 'l'] },
      { key: [9_999], kind: 'onlyGreen', columns: [] },
    ]);
  });

  test('a writer that moves both sides makes no difference', async () => {
    const store = stores.get(name)!;
    const view = freshView();
    const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, a: 'a', f: id, l: null }));
    const blue = await fill(await store.open(view, 1), rows);
    const green = await fill(await store.open(view, 2), rows);
    const writer = await keepMoving(blue, green, rows.length);
    try {
      const found = await compareGenerations(blue, green, { signal, settleMs: 1_000 });
      expect(found.differences).toMatchObject({ onlyBlue: 0, onlyGreen: 0, changed: 0 });
      expect(found.undecided).toBeLessThanOrEqual(5);
      expect(found.caughtUp).toBe(true);
    } finally {
      await writer.stop();
    }
  });
});

const floats = [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MIN_VALUE];
const rowOf = (n: number): Row => ({
  id: (1n << 62n) + BigInt(n),
  te: n % 5 === 0 ? null : `\u{1f600}é"\\\n${n}`,
  i: n % 2 === 0 ? -2147483648 : n,
  f: floats[n % floats.length]!,
  n: `${n}.000100`,
  bo: n % 3 === 0 ? null : n % 2 === 0,
  by: new Uint8Array([n & 255, 0, 255, n >> 8].slice(0, n % 5)),
  ts: '2026-01-01 00:00:00.000001+00',
  js: '{"a": 1.000, "b":9007199254740993}',
  ar: [n, null, 'x', [9007199254740993n, [true, -0]], new Uint8Array([1]), { b: 1, a: [Number.NaN] }],
});

test.each([
  ['SQLite', 'Redis'],
  ['SQLite', 'Cassandra'],
  ['Redis', 'Cassandra'],
  ['memory', 'Redis'],
])('values of every type are the same from %s and from %s', async (one, other) => {
  const view = { ...freshView(), columns: everyColumn };
  const rows = Array.from({ length: 1_000 }, (_, n) => rowOf(n));
  const blue = await fill(await stores.get(one)!.open(view, 1), rows);
  const green = await fill(await stores.get(other)!.open(view, 2), rows);
  expect(await compareGenerations(blue, green, { signal, settleMs: 0 })).toMatchObject({
    equal: true,
    ranges: { different: 0 },
    rows: { blue: 1_000, green: 1_000 },
  });
});
