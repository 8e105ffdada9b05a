import { produceAlone } from '../ceilings/producer.ts';
import { receiveAlone } from '../ceilings/recvlogical.ts';
import { runCatchup, topicOf } from '../ours/source.ts';
import { debeziumCatchup } from '../peers/debezium-source.ts';
import { changeOrders, createOrders } from '../workload/orders.ts';
import { Topics } from '../workload/topics.ts';
import type { Case, Side } from './case.ts';

export const sourceCatchup: Case = {
  name: 'source-catchup',
  about: 'changes that were made while nobody read: 60% updates, 30% inserts, 10% deletes',
  servers: ['postgres', 'kafka', 'registry'],
  records: 1_000_000,
  run: async ({ records, run, peer, profile, servers, say }) => {
    const { url } = servers.postgres;
    const topics = await Topics.open();
    const change = async () => {
      say(`making ${records} changes`);
      await changeOrders(url, records);
    };
    const anew = async (side: string) => {
      say(`making ${records} rows`);
      await createOrders(url, records);
      say(side);
    };
    const name = `catchup${run}`;
    await anew('insideout');
    const ours = await runCatchup({ name, url, records, topics, profile, change });
    await anew('pg_recvlogical alone');
    const received = await receiveAlone({ url, records, change });
    say('kafkajs alone');
    const ceilings = [received, ...(await produceAlone({ topic: topicOf(name), records, topics }))];
    await topics.remove(topicOf(name));
    const peers: Side[] = [];
    if (peer)
      for (const format of ['avro', 'json'] as const) {
        await anew(`Debezium, ${format}`);
        peers.push(await debeziumCatchup({ format, url, records, topics, change }));
      }
    await topics.close();
    return { ours: { name: 'insideout, Avro', measured: ours }, ceilings, peers };
  },
};
