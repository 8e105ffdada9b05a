import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCassandraStore } from '../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { StoreConfig } from '../../daemon/config/descriptors.ts';
import type { Measured } from '../measure/counted.ts';
import { countUntil } from '../measure/counted.ts';
import { Workplace } from '../ours/daemon.ts';
import { kafkaLog } from '../ours/source.ts';
import { cassandraAddress, redisUrl } from '../servers.ts';
import { ordersColumns } from '../workload/orders.ts';
import { OrdersTopic } from '../workload/orders-topic.ts';
import type { Case } from './case.ts';

const source = new OrdersTopic();

const chain = ['sqlite', 'cassandra', 'redis'] as const;
type StoreName = (typeof chain)[number];

export const rebuildChain: Case = {
  name: 'rebuild-chain',
  about:
    'three views, each fed by the one before it (SQLite, Cassandra, Redis), from the start of the process until promoted together; beside each of them alone',
  servers: ['postgres', 'kafka', 'registry', 'redis', 'cassandra'],
  records: 300_000,
  run: async ({ records, run, profile, servers, say }) => {
    const topic = await source.make({ servers, records, say });
    const build = (name: string, stores: readonly StoreName[]) => {
      say(`insideout, ${stores.join(', ')}`);
      return buildOnce({ topic, records, stores, name: `chain${run}_${name}`, profile });
    };
    // The first to write much into Cassandra waits for its compilers.
    if (run === 0) await build('warm', ['cassandra']);
    const together = await build('all', chain);
    const alone: Measured[] = [];
    for (const store of chain) alone.push(await build(store, [store]));
    const slowest = Math.max(...alone.map((m) => m.totalSeconds));
    return {
      ours: { name: 'a chain of three views', measured: together },
      ceilings: alone.map((m, i) => ({
        name: `the view in ${chain[i]} alone`,
        recordsPerSecond: m.recordsPerSecond,
      })),
      peers: [],
      notes: {
        'time of the chain': `${(together.totalSeconds / slowest).toFixed(2)} times that of its slowest view alone`,
      },
    };
  },
};

interface Build {
  readonly topic: string;
  readonly records: number;
  readonly stores: readonly StoreName[];
  readonly name: string;
  readonly profile: string | null;
}

/** Everything from nothing: generations, view topics, tables; rates are from the start of the process. */
async function buildOnce({ topic, records, stores, name, profile }: Build): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
  const all: Record<StoreName, StoreConfig> = {
    sqlite: { kind: 'sqlite', path: join(folder, 'views.db') },
    cassandra: {
      kind: 'cassandra',
      contactPoints: [cassandraAddress.contactPoint],
      dataCenter: cassandraAddress.dataCenter,
      keyspace: name,
    },
    redis: { kind: 'redis', url: redisUrl, prefix: `${name}:` },
  };
  const place = new Workplace(
    {
      namespace: name,
      log: kafkaLog(),
      stores: Object.fromEntries(stores.map((store) => [store, all[store]])),
      views: stores.map((store, i) => ({
        name: `in_${store}`,
        from: i === 0 ? topic : { view: `in_${stores[i - 1]}` },
        store,
        key: ['id'],
        columns: ordersColumns,
      })),
      rebuild: { steadyMs: 0, maxLag: 0 },
    },
    { profile },
  );
  const last = stores.at(-1)!;
  const store = await openStore(all[last]);
  const rebuild = place.start('rebuild', `in_${stores[0]}`, '--promote');
  const measured = await countUntil({
    ...rebuild,
    count: async () => ((await store.active(`in_${last}`)) === null ? 0 : records),
    target: records,
  });
  await rebuild.ended();
  await store.close();
  place.remove();
  rmSync(folder, { recursive: true });
  return measured;
}

function openStore(config: StoreConfig): Promise<ViewStore> {
  if (config.kind === 'sqlite') return openSqliteStore(config);
  if (config.kind === 'redis') return openRedisStore(config);
  return openCassandraStore(config);
}
