import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { consumeAlone } from '../ceilings/consumer.ts';
import { redisAlone } from '../ceilings/redis.ts';
import { runView } from '../ours/view.ts';
import { redisUrl } from '../servers.ts';
import { OrdersTopic } from '../workload/orders-topic.ts';
import type { Case } from './case.ts';

const source = new OrdersTopic();

export const sinkRedis: Case = {
  name: 'sink-redis',
  about: 'a topic from offset 0 into Redis',
  servers: ['postgres', 'kafka', 'registry', 'redis'],
  records: 1_000_000,
  run: async ({ records, run, profile, servers, say }) => {
    const topic = await source.make({ servers, records, say });
    const store = { kind: 'redis', url: redisUrl, prefix: `bench${run}:` } as const;
    say('insideout');
    const measured = await runView({
      topic,
      records,
      store,
      open: () => openRedisStore(store),
      namespace: `bench_redis${run}`,
      profile,
    });
    say('ioredis alone');
    // Empties Redis, too: the rows of several runs would not fit in a small machine.
    const ceilings = [...(await redisAlone(records)), await consumeAlone(topic, records)];
    return { ours: { name: 'insideout, Redis', measured }, ceilings, peers: [] };
  },
};
