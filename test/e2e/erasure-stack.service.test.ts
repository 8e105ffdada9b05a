import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { openCassandraStore } from '../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import {
  erasureProject,
  filesWith,
  type Place,
  placeOf,
  poison,
  segmentsWith,
  type ViewName,
  valuesOf,
} from './erasure-project.ts';

const data = fileURLToPath(new URL('../../.stack/data', import.meta.url));

test('erased on Kafka, Redis, SQLite and Cassandra, a subject is in no topic and no view, and where its bytes may remain the certificate does not say verified', {
  timeout: 540_000,
}, async () => {
  const { kafka, registry, redis, cassandra } = servers();
  const log = { brokers: [kafka], registry: { url: registry } };
  const name = uniqueName('erase');
  const path = join(data, `${name}.db`);
  const files = {
    sqlite: { kind: 'sqlite', path } as const,
    redis: { kind: 'redis', url: redis, prefix: `${name}:` } as const,
    cassandra: {
      kind: 'cassandra',
      contactPoints: [cassandra.contactPoint],
      dataCenter: cassandra.dataCenter,
      keyspace: name.slice(0, 40),
    } as const,
  };
  const project = await erasureProject({
    log: { config: { kind: 'kafka', ...log }, open: () => openKafkaLog(log) },
    stores: () => ({
      sqlite: { config: files.sqlite, open: () => openSqliteStore(files.sqlite) },
      redis: { config: files.redis, open: () => openRedisStore(files.redis) },
      cassandra: { config: files.cassandra, open: () => openCassandraStore(files.cassandra) },
    }),
  });
  const stores = Object.keys(files);
  project.up();
  await project.caughtUp();
  for (const store of stores)
    expect(await project.row('customer', poison, store)).toMatchObject({ name: `Person ${poison}` });
  // Other tests erase the same customer from topics of their own.
  const inKafka = () => segmentsWith(project.source, valuesOf(poison));
  expect(inKafka().length).toBeGreaterThan(0);

  const erased = await project.ask('erase', 'customer', String(poison), '--wait');
  expect([erased.code, erased.output]).toEqual([0, expect.stringContaining('"completed"')]);
  const places: Place[] = erased.answer[0].certificate.body.places;
  const stateOf = (kind: string, of: string) => placeOf(places, kind, of);
  for (const store of stores)
    for (const view of ['customer', 'copy', 'payments', 'picky', 'orders', 'reviews'] as ViewName[]) {
      expect(stateOf('generation', `${store}/${view}_${store} g1`)).toMatchObject({ state: 'verified' });
      if (view !== 'orders' && view !== 'reviews')
        expect([store, view, await project.row(view, poison, store)]).toEqual([store, view, null]);
    }
  for (const table of ['customers', 'orders', 'payments', 'reviews'])
    expect(stateOf('topic', project.topic(table))).toMatchObject({ state: 'verified' });
  expect(stateOf('dead letters', `${project.topic('customers')}.dlq`)).toMatchObject({ state: 'verified' });
  expect(places.filter((p) => p.kind === 'view topic').map((p) => p.state)).toEqual([
    'verified',
    'verified',
    'verified',
  ]);
  for (const [kind, of] of [
    ['log files', 'log'],
    ['store files', 'cassandra'],
    ['database files', project.source],
  ] as const)
    expect(stateOf(kind, of)).toMatchObject({
      state: 'unverifiable',
      reason: expect.stringMatching(/\w{3}.*\.$/),
    });

  // Segments that were replaced are removed file.delete.delay.ms later.
  await eventually('no file of Kafka has it', () => inKafka().length === 0, 60);
  expect(filesWith(`${path}`, valuesOf(poison)).concat(filesWith(`${path}-wal`, valuesOf(poison)))).toEqual(
    [],
  );
  expect(stateOf('store files', 'sqlite')).toMatchObject({ state: 'verified' });
  const client = new Redis(redis);
  try {
    for (const key of await client.keys(`${name}:*`))
      if ((await client.type(key)) === 'string')
        for (const value of valuesOf(poison)) expect(await client.get(key)).not.toContain(value);
  } finally {
    client.disconnect();
  }
  for (const store of ['redis', 'cassandra'])
    if (filesWith(join(data, store), valuesOf(poison)).length > 0)
      expect(stateOf('store files', store)).not.toMatchObject({ state: 'verified' });
});
