import { openCassandraStore } from '../../connectors/sink/cassandra/cassandra-store.ts';
import { cassandraAlone, dropKeyspace, warmUpCassandra } from '../ceilings/cassandra.ts';
import { consumeAlone } from '../ceilings/consumer.ts';
import { runView } from '../ours/view.ts';
import { cassandraAddress } from '../servers.ts';
import { OrdersTopic } from '../workload/orders-topic.ts';
import type { Case } from './case.ts';

const source = new OrdersTopic();

export const sinkCassandra: Case = {
  name: 'sink-cassandra',
  about: 'a topic from offset 0 into Cassandra',
  servers: ['postgres', 'kafka', 'registry', 'cassandra'],
  records: 1_000_000,
  run: async ({ records, run, profile, servers, say }) => {
    const topic = await source.make({ servers, records, say });
    const { contactPoint, dataCenter } = cassandraAddress;
    const keyspace = `bench${run}`;
    const options = { contactPoints: [contactPoint], dataCenter, keyspace };
    if (run === 0) await warmUpCassandra();
    say('insideout');
    const measured = await runView({
      topic,
      records,
      // As the bare driver's, and more than a node takes without a warning if nobody has told it otherwise.
      store: { kind: 'cassandra', ...options, batchRows: 50, batchBytes: 20_000 },
      open: () => openCassandraStore(options),
      namespace: `bench_cassandra${run}`,
      profile,
      // Each look is five reads by Paxos, of the node that is measured.
      pollMs: 500,
    });
    await dropKeyspace(keyspace);
    say('cassandra-driver alone');
    const ceilings = [...(await cassandraAlone(records)), await consumeAlone(topic, records)];
    return { ours: { name: 'insideout, Cassandra, batches of 50', measured }, ceilings, peers: [] };
  },
};
