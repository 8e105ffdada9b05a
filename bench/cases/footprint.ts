import { setTimeout as wait } from 'node:timers/promises';
import { countUntil, type Measured } from '../measure/counted.ts';
import { treeUsage } from '../measure/process-tree.ts';
import { Workplace } from '../ours/daemon.ts';
import { kafkaLog, runSnapshot, sourceConfig, topicOf } from '../ours/source.ts';
import { runSqliteView } from '../ours/view.ts';
import { connect, createOrders } from '../workload/orders.ts';
import { dropReplication, untilActive } from '../workload/slots.ts';
import { Topics } from '../workload/topics.ts';
import { createMany, createWide, manyTables, rowsOfEach, wideColumns } from '../workload/unusual-tables.ts';
import type { Case, CaseOptions } from './case.ts';

const idleSeconds = 10;

export const footprint: Case = {
  name: 'footprint',
  about:
    'what it holds: a table and ten times the table, into Kafka and on into SQLite, nothing to do, many tables, wide rows',
  servers: ['postgres', 'kafka', 'registry'],
  records: 10_000_000,
  run: async (options) => {
    const { records, run, servers, profile, say } = options;
    const { url } = servers.postgres;
    const topics = await Topics.open();
    const through = async (rows: number, name: string): Promise<{ snapshot: Measured; view: Measured }> => {
      say(`making ${rows} rows`);
      await createOrders(url, rows);
      const topic = topicOf(name);
      say('insideout, into Kafka');
      const snapshot = await runSnapshot({ name, url, records: rows, topics, profile });
      say('insideout, into SQLite');
      const view = await runSqliteView({ topic, records: rows, namespace: `bench_${name}`, profile: null });
      await topics.remove(topic);
      return { snapshot, view };
    };
    const tenth = await through(Math.ceil(records / 10), `tenth${run}`);
    const all = await through(records, `all${run}`);
    const notes = {
      'a tenth of the records': told(tenth.snapshot),
      'rate at all records beside that at a tenth': beside(all.snapshot, tenth.snapshot),
      'a view of a tenth in SQLite': told(tenth.view),
      'a view of all in SQLite': told(all.view),
      'rate of the view of all beside that of a tenth': beside(all.view, tenth.view),
      'nothing to do': await idle(options),
      [`${manyTables} tables of ${rowsOfEach} rows`]: await unusual(options, topics, {
        name: `many${run}`,
        schema: 'many',
        make: () => createMany(url),
        topics: (name) => Array.from({ length: manyTables }, (_, i) => `${name}.many.t${i}`),
        records: manyTables * rowsOfEach,
      }),
      [`rows of ${wideColumns} columns`]: await unusual(options, topics, {
        name: `wide${run}`,
        schema: 'wide',
        make: () => createWide(url, 2_000),
        topics: (name) => [`${name}.wide.t`],
        records: 2_000,
      }),
    };
    await topics.close();
    return { ours: { name: 'insideout, snapshot', measured: all.snapshot }, ceilings: [], peers: [], notes };
  },
};

async function idle({ servers, run, say }: CaseOptions): Promise<string> {
  say('nothing to do');
  const { url } = servers.postgres;
  const name = `idle${run}`;
  const place = new Workplace(
    { sources: { [name]: sourceConfig(url, 'never') }, log: kafkaLog() },
    { profile: null },
  );
  const daemon = place.start('source', 'run', '--http-port', 'off');
  await untilActive(url, `insideout_${name}`);
  const seconds = (performance.now() - daemon.startedAt) / 1000;
  const before = treeUsage(daemon.pid)!;
  await wait(idleSeconds * 1000);
  const after = treeUsage(daemon.pid)!;
  await daemon.stop();
  place.remove();
  await dropReplication(url);
  const share = ((after.cpuSeconds - before.cpuSeconds) / idleSeconds) * 100;
  return `reads the slot after ${seconds.toFixed(2)} s, ${after.peakRssMb.toFixed(0)} MB, ${share.toFixed(1)}% of a core`;
}

async function unusual(
  { servers, say }: CaseOptions,
  topics: Topics,
  parts: {
    name: string;
    schema: string;
    records: number;
    make(): Promise<void>;
    topics(name: string): string[];
  },
): Promise<string> {
  const { url } = servers.postgres;
  const { name, schema } = parts;
  say(`making ${schema} tables`);
  await parts.make();
  const client = await connect(url);
  await client.query(`create publication bench_${schema} for tables in schema ${schema}`);
  await client.end();
  const { tables: _orders, ...config } = sourceConfig(url, 'initial');
  const place = new Workplace(
    { sources: { [name]: { ...config, publication: `bench_${schema}` } }, log: kafkaLog() },
    { profile: null },
  );
  say('insideout');
  const all = parts.topics(name);
  const daemon = place.start('source', 'run', '--http-port', 'off');
  const measured = await countUntil({
    ...daemon,
    count: () => topics.recordsOfAll(all),
    target: parts.records,
  });
  await daemon.stop();
  place.remove();
  await dropReplication(url);
  return told(measured);
}

const beside = (all: Measured, tenth: Measured): string =>
  (all.recordsPerSecond / tenth.recordsPerSecond).toFixed(2);

const told = (m: Measured): string =>
  `${Math.round(m.recordsPerSecond).toLocaleString('en')} records/s, ${m.totalSeconds.toFixed(1)} s in all, ${m.peakRssMb.toFixed(0)} MB`;
