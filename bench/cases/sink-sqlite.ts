import { consumeAlone } from '../ceilings/consumer.ts';
import { sqliteAlone } from '../ceilings/sqlite.ts';
import { runSqliteView } from '../ours/view.ts';
import { jdbcSink } from '../peers/debezium-jdbc.ts';
import { OrdersTopic } from '../workload/orders-topic.ts';
import type { Case } from './case.ts';

const source = new OrdersTopic();

export const sinkSqlite: Case = {
  name: 'sink-sqlite',
  about: 'a topic from offset 0 into SQLite; the peer writes to Postgres, having no SQLite',
  servers: ['postgres', 'kafka', 'registry'],
  records: 1_000_000,
  run: async ({ records, run, peer, profile, servers, say }) => {
    const topic = await source.make({ servers, records, say });
    say('insideout');
    const measured = await runSqliteView({ topic, records, namespace: `bench_sqlite${run}`, profile });
    say('better-sqlite3 alone');
    const ceilings = [
      sqliteAlone({ records, durable: true }),
      sqliteAlone({ records, durable: false }),
      await consumeAlone(topic, records),
    ];
    if (peer) say("Debezium's JDBC sink");
    const peers = peer ? [await jdbcSink({ records, servers })] : [];
    return { ours: { name: 'insideout, SQLite', measured }, ceilings, peers };
  },
};
