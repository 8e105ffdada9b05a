import { kafkaLatency } from '../ceilings/latency.ts';
import { measureLatency } from '../measure/latency.ts';
import { Workplace } from '../ours/daemon.ts';
import { kafkaLog, sourceConfig, topicOf } from '../ours/source.ts';
import { withDebezium } from '../peers/debezium-source.ts';
import { createOrders } from '../workload/orders.ts';
import { dropReplication, untilActive } from '../workload/slots.ts';
import { Topics } from '../workload/topics.ts';
import type { Case, Side } from './case.ts';

const perSecond = 1_000;
const rows = 100_000;

export const sourceLatency: Case = {
  name: 'source-latency',
  about: 'from commit to visible in Kafka, at 1,000 transactions a second',
  servers: ['postgres', 'kafka', 'registry'],
  records: 40_000,
  run: async ({ records, run, peer, profile, servers, say }) => {
    const { url } = servers.postgres;
    const topics = await Topics.open();
    await createOrders(url, rows);
    const load = { url, perSecond, warmUp: Math.ceil(records / 2), transactions: records };
    const name = `latency${run}`;
    const topic = topicOf(name);
    say('insideout');
    await topics.create(topic, 4);
    const place = new Workplace(
      { sources: { [name]: sourceConfig(url, 'never') }, log: kafkaLog() },
      { profile },
    );
    const daemon = place.start('source', 'run', '--http-port', 'off');
    await untilActive(url, `insideout_${name}`);
    const ours: Side = { name: 'insideout, Avro', ...(await measureLatency({ ...load, ...daemon, topic })) };
    await daemon.stop();
    place.remove();
    await dropReplication(url);
    await topics.remove(topic);
    say('kafkajs alone');
    const bare = await kafkaLatency({ topics, perSecond, records });
    const peers: Side[] = [];
    if (peer)
      for (const format of ['avro', 'json'] as const) {
        say(`Debezium, ${format}`);
        const side = await withDebezium({ format, url, topics }, async (worker) => ({
          name: worker.name,
          ...(await measureLatency({ ...load, ...worker })),
        }));
        peers.push(side);
      }
    await topics.close();
    const text = `p50 ${bare.p50.toFixed(1)} ms, p99 ${bare.p99.toFixed(1)} ms`;
    return {
      ours,
      ceilings: [{ name: 'the rate of the transactions', recordsPerSecond: perSecond }],
      peers,
      notes: { 'bare kafkajs producer, one record a request, from send to visible': text },
    };
  },
};
