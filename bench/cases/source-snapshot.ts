import { copyAlone } from '../ceilings/copy.ts';
import { produceAlone } from '../ceilings/producer.ts';
import { runSnapshot, topicOf } from '../ours/source.ts';
import { debeziumSnapshot } from '../peers/debezium-source.ts';
import { createOrders } from '../workload/orders.ts';
import { Topics } from '../workload/topics.ts';
import type { Case, Side } from './case.ts';

export const sourceSnapshot: Case = {
  name: 'source-snapshot',
  about: 'a table that exists, into Kafka',
  servers: ['postgres', 'kafka', 'registry'],
  records: 1_000_000,
  run: async ({ records, run, peer, profile, servers, say }) => {
    const { url } = servers.postgres;
    const topics = await Topics.open();
    if (run === 0) {
      say(`making ${records} rows`);
      await createOrders(url, records);
    }
    const name = `snapshot${run}`;
    say('insideout');
    const ours = await runSnapshot({ name, url, records, topics, profile });
    say('COPY alone');
    const copy = await copyAlone(url, records);
    say('kafkajs alone');
    const ceilings = [copy, ...(await produceAlone({ topic: topicOf(name), records, topics }))];
    await topics.remove(topicOf(name));
    const peers: Side[] = [];
    if (peer)
      for (const format of ['avro', 'json'] as const) {
        say(`Debezium, ${format}`);
        peers.push(await debeziumSnapshot({ format, url, records, topics }));
      }
    await topics.close();
    return { ours: { name: 'insideout, Avro', measured: ours }, ceilings, peers };
  },
};
