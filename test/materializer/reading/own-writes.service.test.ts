import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation, ViewStore } from '../../../connectors/sink/view-store.ts';
import { postgresBarriers } from '../../../connectors/source/postgres/barrier-emitter.ts';
import { consistencyToken } from '../../../connectors/source/postgres/consistency-token.ts';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import type { Log } from '../../../log/log.ts';
import { silentObserver } from '../../../materializer/apply/observer.ts';
import { runGeneration } from '../../../materializer/apply/run-generation.ts';
import { type Barriers, openBarriers, openReader } from '../../../materializer/reading/open-reader.ts';
import type { Reader } from '../../../materializer/reading/reader.ts';
import { defineView, view } from '../../../materializer/view-definition.ts';
import { type Capture, capture, slotOf, temporaryLog } from '../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { kafka, registry, redis, cassandra } = servers();
const kafkaLog = () => openKafkaLog({ brokers: [kafka], registry: { url: registry } });
const setups: [string, () => Promise<Log>, () => Promise<ViewStore>][] = [
  [
    'embedded Log and SQLite',
    temporaryLog,
    () => openSqliteStore({ path: join(mkdtempSync(join(tmpdir(), 'insideout-own-')), 'views.db') }),
  ],
  ['Kafka and Redis', kafkaLog, () => openRedisStore({ url: redis, prefix: `${uniqueName('own')}:` })],
  [
    'Kafka and Cassandra',
    kafkaLog,
    () =>
      openCassandraStore({
        contactPoints: [cassandra.contactPoint],
        dataCenter: cassandra.dataCenter,
        keyspace: uniqueName('own'),
      }),
  ],
];

describe.each(setups)('on %s', (_name, openLog, openStore) => {
  const source = uniqueName('shop').toLowerCase();
  const topic = `${source}.public.t`;
  const columns = { id: 'int', n: 'int' } as const;
  const definition = defineView(view({ name: 'card', from: topic, store: 's', columns, key: ['id'] }));
  const stop = new AbortController();
  let db: TestDatabase;
  let writer: pg.Client;
  let log: Log;
  let store: ViewStore;
  let running: Capture;
  let applying: Promise<void>;
  let barriers: Barriers;
  let read: Reader;
  /** What the materializer does before it applies a batch. */
  let slow: () => Promise<unknown> = async () => {};

  const slowed = (generation: Generation): Generation =>
    new Proxy(generation, {
      get: (target, name) => {
        if (name === 'apply')
          return async (...args: Parameters<Generation['apply']>) => {
            await slow();
            await target.apply(...args);
          };
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });

  beforeAll(async () => {
    [db, log, store] = await Promise.all([createDatabase(), openLog(), openStore()]);
    await db.client.query('create table t (id int primary key, n int not null)');
    writer = new pg.Client({ connectionString: db.url });
    writer.on('error', () => {});
    await writer.connect();
    running = capture(log, { name: source, url: db.url, tables: ['public.t'], partitions: 2 });
    await eventually('the snapshot is complete', () => running.acknowledged.length > 0);
    const generation = await store.open(definition.shape, 1);
    await store.promote([{ view: definition.shape, from: null, to: 1 }]);
    applying = runGeneration({
      view: definition,
      generation: slowed(generation),
      input: topic,
      log,
      group: uniqueName('own'),
      signal: stop.signal,
      observe: silentObserver,
    });
    applying.catch(() => {});
    barriers = openBarriers({
      source,
      log,
      emitter: postgresBarriers({ url: db.url, slot: slotOf(db.url) }),
    });
    const hops = async (active: Generation) => [{ generation: active, input: topic }];
    read = openReader({ store, view: definition.shape, log, barriers, hops });
    const after = await consistencyToken(db.client, source);
    await read.get([0], { after, timeoutMs: 30_000 });
  });
  afterEach(() => {
    slow = async () => {};
  });
  afterAll(async () => {
    stop.abort();
    await barriers?.shared.close();
    await applying;
    await running?.stop().catch(() => {});
    await writer?.end();
    await store?.close();
    await log?.close();
    await db?.drop();
  });

  test('a writer that hands on its token always sees its write, 200 times, behind a slow materializer', async () => {
    slow = () => pause(Math.random() * 15);
    let seenWithout = 0;
    for (let n = 0; n < 200; n++) {
      await writer.query('insert into t values ($1, $2) on conflict (id) do update set n = excluded.n', [
        n % 7,
        n,
      ]);
      const after = await consistencyToken(writer, source);
      if ((await read.get([n % 7]))?.n === n) seenWithout++;
      expect(await read.get([n % 7], { after })).toEqual({ id: n % 7, n });
    }
    // Otherwise the waiting was not needed and this has shown nothing.
    expect(seenWithout).toBeLessThan(150);
  });

  test('writers side by side see their own writes, of many keys at once as well', async () => {
    slow = () => pause(Math.random() * 15);
    const pool = new pg.Pool({ connectionString: db.url, max: 5 });
    const write = async (n: number) => {
      const ids = [1_000 + n, 2_000 + n, 3_000 + n];
      await pool.query('insert into t select id, 1 from unnest($1::int[]) id', [ids]);
      const after = await consistencyToken(pool, source);
      const rows = await read.getMany(
        ids.map((id) => [id]),
        { after },
      );
      expect(rows).toEqual(ids.map((id) => ({ id, n: 1 })));
    };
    await Promise.all(Array.from({ length: 40 }, (_, n) => write(n)));
    await pool.end();
  });

  test('an idle source answers within a second', async () => {
    const after = await consistencyToken(db.client, source);
    await read.get([0], { after });
    await pause(300);
    for (let n = 0; n < 5; n++) {
      const at = performance.now();
      await read.get([0], { after });
      expect(performance.now() - at).toBeLessThan(1_000);
    }
  });

  test('a token from inside a transaction holds though others commit, and are applied, before it commits', async () => {
    for (let n = 0; n < 10; n++) {
      await writer.query('begin');
      await writer.query('insert into t values ($1, 0)', [5_000 + n]);
      const after = await consistencyToken(writer, source);
      await db.client.query('insert into t values ($1, 0)', [6_000 + n]);
      // The source, and the view, are past the token's position before its transaction is committed.
      const between = await consistencyToken(db.client, source);
      expect(await read.get([6_000 + n], { after: between })).not.toBeNull();
      slow = () => pause(30);
      await writer.query('commit');
      expect(await read.get([5_000 + n], { after })).toEqual({ id: 5_000 + n, n: 0 });
      slow = async () => {};
    }
  });

  test('a time-out says how many records the view is behind, or that the source has not passed', async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    slow = () => gate;
    await writer.query('insert into t select g, 0 from generate_series(10001, 10005) g');
    const after = await consistencyToken(writer, source);
    const behind = read.get([10_001], { after, timeoutMs: 3_000 });
    await expect(behind).rejects.toMatchObject({
      code: 'READ_TIMEOUT',
      message: expect.stringMatching(`Generation 1 of "card" is 5 records behind on ${topic}`),
    });
    slow = async () => {};
    go();
    expect(await read.get([10_001], { after })).not.toBeNull();
    const ahead = read.get([10_001], { after: `${source}:FFFFFFFF/0`, timeoutMs: 2_000 });
    await expect(ahead).rejects.toMatchObject({
      code: 'READ_TIMEOUT',
      message: expect.stringMatching('not got as far as the token'),
    });
    await running.stop();
    const stopped = read.get([10_001], { after, timeoutMs: 2_000 });
    await expect(stopped).rejects.toMatchObject({
      code: 'READ_TIMEOUT',
      message: expect.stringMatching(`The source "${source}" has not passed the barrier`),
    });
    running = capture(log, { name: source, url: db.url, tables: ['public.t'], partitions: 2 });
    expect(await read.get([10_001], { after, timeoutMs: 30_000 })).not.toBeNull();
  });
});
