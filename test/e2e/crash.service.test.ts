import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openCassandraStore } from '../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../core/view.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { tableOf } from '../support/capture.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { readByAPeer } from '../support/peer.ts';
import { servers, uniqueName } from '../support/servers.ts';

const kills = Number(process.env.KILLS ?? 6);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A small generator of random numbers that a seed repeats (mulberry32). */
function randomFrom(start: number): () => number {
  let a = start;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`kill -9 of source and materializer under load loses and doubles nothing, in SQLite, Redis and Cassandra on Kafka (seed ${seed}, ${kills} kills)`, {
  timeout: 240_000,
}, async () => {
  const random = randomFrom(seed);
  const db = await createDatabase();
  const source = uniqueName('shop');
  const folder = mkdtempSync(join(tmpdir(), 'insideout-crash-'));
  const { kafka, registry, redis, cassandra } = servers();
  const prefix = `${source}:`;
  const stores = {
    sqlite: { kind: 'sqlite', path: join(folder, 'views.db') },
    redis: { kind: 'redis', url: redis, prefix },
    cassandra: {
      kind: 'cassandra',
      contactPoints: [cassandra.contactPoint],
      dataCenter: cassandra.dataCenter,
      keyspace: source.slice(0, 40),
    },
  };
  const shape = {
    columns: { id: 'bigint', n: 'int', amount: 'numeric', at: 'timestamp' },
    key: ['id'],
  } as const;
  const config = {
    // Generations are recorded in the Log, which other tests' views of this name share.
    namespace: source,
    sources: { [source]: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
    log: { kind: 'kafka', brokers: [kafka], registry: { url: registry } },
    stores,
    views: Object.keys(stores).map((store) => ({
      name: `t_${store}`,
      from: `${source}.public.t`,
      store,
      ...shape,
    })),
    http: false,
  };
  // YAML is a superset of JSON.
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query(`create table t (id bigint primary key, n int, amount numeric(12,2), at timestamptz);
      insert into t select g, 0, g / 100.0, clock_timestamp() from generate_series(1, 2000) g`);

  const start = (args: string[]) => startCli(args, { cwd: folder });
  const running: Record<'source' | 'view', RunningCli> = {
    source: start(['source', 'run']),
    view: start(['view', 'run']),
  };
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const topic = `${source}.public.t`;
  try {
    await eventually(
      'the snapshot is in Kafka',
      async () => {
        const offsets = await log.offsets([topic]);
        return [...offsets.values()].reduce((sum, o) => sum + o.end, 0) >= 2000;
      },
      60,
    );
    let writing = true;
    let transactions = 0;
    const load = (async () => {
      const { default: pg } = await import('pg');
      const writer = new pg.Client({ connectionString: db.url });
      await writer.connect();
      while (writing) {
        const id = 1 + Math.floor(random() * 2200);
        const kind = random();
        if (kind < 0.5)
          await writer.query(
            'update t set n = n + 1, at = clock_timestamp() where id between $1 and $1 + 5',
            [id],
          );
        else if (kind < 0.75)
          await writer.query(
            'insert into t values ($1, 0, 1.10, clock_timestamp()) on conflict (id) do update set n = t.n + 100',
            [id],
          );
        else if (kind < 0.95) await writer.query('delete from t where id = $1', [id]);
        else if (kind < 0.998)
          await writer.query(
            'update t set id = 100000 + id where id = $1 and not exists (select from t where id = 100000 + $1)',
            [id],
          );
        else
          await writer.query(
            'begin; truncate t; insert into t select g, 7, 0.01, clock_timestamp() from generate_series(1, 500) g; commit',
          );
        transactions++;
        await wait(1);
      }
      await writer.end();
    })();
    for (let i = 0; i < kills; i++) {
      await wait(1_000 + random() * 3_000);
      const victim = random() < 0.5 ? 'source' : 'view';
      await running[victim].end('SIGKILL');
      running[victim] = start([victim, 'run']);
    }
    writing = false;
    await load;
    expect(transactions).toBeGreaterThan(100);

    const { rows } = await db.client.query('select id, n, amount, at from t order by id');
    const expected = rows.map((r) => ({ id: BigInt(r.id), n: Number(r.n), amount: r.amount, at: r.at }));
    expect(expected.length).toBeGreaterThan(0);
    const opened: Record<string, ViewStore> = {
      sqlite: await openSqliteStore(stores.sqlite),
      redis: await openRedisStore(stores.redis),
      cassandra: await openCassandraStore(stores.cassandra),
    };
    try {
      for (const [name, store] of Object.entries(opened)) {
        const view: ViewShape = { name: `t_${name}`, ...shape };
        await eventually(
          `the view in ${name} equals the table; last output of the daemons: ${running.view.output().slice(-400)}`,
          async () => {
            const generation = await store.open(view, (await store.active(view.name)) ?? 1);
            const found = [];
            for await (const row of generation.scan()) found.push(row);
            found.sort((a, b) => Number((a.id as bigint) - (b.id as bigint)));
            return JSON.stringify(found, text) === JSON.stringify(expected, text);
          },
          60,
        );
      }
    } finally {
      for (const store of Object.values(opened)) await store.close();
    }
    // The Log alone amounts to the same table, read by a decoder that is not ours.
    const logged = [...(await tableOf(log, topic)).values()].sort(
      (a, b) => Number(a.id as bigint) - Number(b.id as bigint),
    );
    expect(JSON.stringify(logged, text)).toBe(JSON.stringify(expected, text));
    for (const { key, value } of await readByAPeer(log, topic))
      if (key.id !== undefined && value !== null)
        expect([value.id, typeof value.amount]).toEqual([key.id, 'string']);
    expect(await running.view.end('SIGTERM')).toBe(0);
    expect(await running.source.end('SIGTERM')).toBe(0);
  } finally {
    running.source.child.kill('SIGKILL');
    running.view.child.kill('SIGKILL');
    await log.close();
    await db.drop();
  }
});

const text = (_name: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
