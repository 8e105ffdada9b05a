import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { consumeAlone } from '../ceilings/consumer.ts';
import { sqliteAlone } from '../ceilings/sqlite.ts';
import type { Measured } from '../measure/counted.ts';
import { runRebuild } from '../ours/rebuild.ts';
import { globalTable } from '../peers/kafka-streams.ts';
import { OrdersTopic } from '../workload/orders-topic.ts';
import type { Case } from './case.ts';

const source = new OrdersTopic();

export const rebuild: Case = {
  name: 'rebuild',
  about: 'a view built anew in SQLite beside the one that readers see; rates from the start of the process',
  servers: ['postgres', 'kafka', 'registry'],
  records: 1_000_000,
  run: async ({ records, run, peer, profile, servers, say }) => {
    const topic = await source.make({ servers, records, say });
    const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
    const path = join(folder, 'views.db');
    say('insideout');
    const { measured, promotedSeconds } = await runRebuild({
      topic,
      records,
      store: { kind: 'sqlite', path },
      open: () => openSqliteStore({ path }),
      namespace: `bench_rebuild${run}`,
      profile,
    });
    rmSync(folder, { recursive: true });
    say('better-sqlite3 and kafkajs alone');
    const ceilings = [sqliteAlone({ records, durable: false }), await consumeAlone(topic, records)];
    if (peer) say('Kafka Streams');
    const streams = peer ? [await globalTable(topic, records)] : [];
    const fromStart = (m: Measured) => ({ ...m, recordsPerSecond: records / m.totalSeconds });
    return {
      ours: { name: 'insideout rebuild, SQLite', measured: fromStart(measured) },
      ceilings: ceilings.map((c) => ({ ...c, compared: true })),
      peers: streams.map((side) => ({ ...side, measured: fromStart(side.measured) })),
      notes: {
        'compared with blue and promoted, from the start of the process': `${promotedSeconds.toFixed(1)} s`,
      },
    };
  },
};
