import fc from 'fast-check';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { eventually } from '../support/eventually.ts';
import { servers } from '../support/servers.ts';
import { History, histories } from './erasure-history.ts';
import { type ErasureProject, erasureProject, filesWith, segmentsWith } from './erasure-project.ts';

const runs = Number(process.env.RUNS ?? 1);
const kills = Number(process.env.KILLS ?? 2);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const timeout = 60_000 + runs * (kills + 1) * 120_000;

async function tryHistories(
  make: () => Promise<ErasureProject>,
  expectGone: (project: ErasureProject, values: readonly string[]) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(histories(kills), async (steps) => {
      const project = await make();
      const history = await History.open(project, (values) => expectGone(project, values));
      await history.goThrough(steps);
      await history.close();
      await project.end();
    }),
    { numRuns: runs, seed, endOnFailure: true },
  );
}

test(
  `whatever is written, whoever is killed in whatever phase and whichever generations come and go, every erasure ends in one certificate, and no file has a value of an erased row (seed ${seed}, ${runs} runs, ${kills} kills)`,
  {
    timeout,
  },
  () =>
    tryHistories(erasureProject, async ({ folder }, values) => {
      expect(filesWith(folder, values)).toEqual([]);
    }),
);

test(`on Kafka and Redis likewise, no segment and no key has one (seed ${seed}, ${runs} runs, ${kills} kills)`, {
  timeout,
}, async () => {
  const { kafka, registry, redis } = servers();
  const log = { brokers: [kafka], registry: { url: registry } };
  const store = (prefix: string) => ({ kind: 'redis', url: redis, prefix: `${prefix}:` }) as const;
  const make = () =>
    erasureProject({
      log: { config: { kind: 'kafka', ...log }, open: () => openKafkaLog(log) },
      stores: (source) => ({
        local: { config: store(source), open: () => openRedisStore(store(source)) },
      }),
    });
  await tryHistories(make, async ({ source }, values) => {
    // Segments that were replaced are removed file.delete.delay.ms later.
    const left = () => segmentsWith(source, values);
    await eventually('no segment has it', () => left().length === 0, 90).catch(() => {});
    expect(left()).toEqual([]);
    const client = new Redis(redis);
    try {
      for (const key of await client.keys(`${source}:*`))
        if ((await client.type(key)) === 'string') {
          const bytes = await client.getBuffer(key);
          expect([key, values.filter((value) => bytes?.includes(value))]).toEqual([key, []]);
        }
    } finally {
      client.disconnect();
    }
  });
});
