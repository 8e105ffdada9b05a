import type { Side } from '../cases/case.ts';
import { countUntil } from '../measure/counted.ts';
import { connect } from '../workload/orders.ts';
import { dropReplication, untilActive } from '../workload/slots.ts';
import type { Topics } from '../workload/topics.ts';
import { ConnectFolder, type Format, formatNames, type Properties } from './connect.ts';

export interface DebeziumRun {
  readonly format: Exclude<Format, 'json-schema'>;
  readonly url: string;
  readonly records: number;
  readonly topics: Topics;
}

const slot = 'bench_debezium';
const prefix = 'debezium';
export const debeziumTopic = `${prefix}.public.orders`;
const partitions = 4;

/** For throughput. */
const producer = {
  'producer.compression.type': 'lz4',
  'producer.linger.ms': 5,
  'producer.batch.size': 262_144,
  'producer.buffer.memory': 67_108_864,
};
/** For latency a batch is sent as soon as it is there, and as it is: the consumer that looks on cannot read LZ4. */
const promptProducer = {
  ...producer,
  'producer.linger.ms': 0,
  'producer.compression.type': 'none',
};

const nameOf = (format: Format): string => `Debezium 3.7.0, ${formatNames[format]}`;

/** From the start of the worker until all rows of the table are in the topic. */
export async function debeziumSnapshot(options: DebeziumRun): Promise<Side> {
  const side = await fillDebeziumTopic(options);
  await options.topics.remove(debeziumTopic);
  return side;
}

/** The same, and the topic stays. */
export async function fillDebeziumTopic(options: DebeziumRun): Promise<Side> {
  const { format, url, records, topics } = options;
  await anew(options);
  const folder = await ConnectFolder.make('debezium-postgres', format);
  const worker = await folder.start(connector(url, 'initial', 10), producer);
  const measured = await countUntil({
    ...worker,
    count: () => topics.records(debeziumTopic),
    target: records,
  });
  await worker.stop();
  folder.remove();
  await dropReplication(url);
  return { name: nameOf(format), measured };
}

/** The worker is stopped while `change` writes, and started again. A delete makes two records there. */
export async function debeziumCatchup(options: DebeziumRun & { change(): Promise<void> }): Promise<Side> {
  const { format, url, records, topics } = options;
  await anew(options);
  const folder = await ConnectFolder.make('debezium-postgres', format);
  const settings = connector(url, 'no_data', 10);
  const before = await folder.start(settings, producer);
  await untilActive(url, slot);
  await oneChange(url, topics);
  await before.stop();
  const base = await topics.records(debeziumTopic);
  await options.change();
  const worker = await folder.start(settings, producer);
  const measured = await countUntil({
    ...worker,
    count: () => topics.records(debeziumTopic),
    base,
    target: records * recordsPerChange,
    perRecord: recordsPerChange,
  });
  await worker.stop();
  folder.remove();
  await dropReplication(url);
  await topics.remove(debeziumTopic);
  return { name: nameOf(format), measured };
}

/** Of the changes a tenth are deletes, which are an event and a tombstone. */
const recordsPerChange = 1.1;

/** A worker that follows, polling every millisecond, for as long as `work` takes. */
export async function withDebezium<T>(
  options: Omit<DebeziumRun, 'records'>,
  work: (worker: { pid: number; startedAt: number; name: string; topic: string }) => Promise<T>,
): Promise<T> {
  const { format, url, topics } = options;
  await anew(options);
  const folder = await ConnectFolder.make('debezium-postgres', format);
  const worker = await folder.start(connector(url, 'no_data', 1), promptProducer);
  try {
    await untilActive(url, slot);
    await oneChange(url, topics);
    return await work({ ...worker, name: `${nameOf(format)}, poll 1 ms`, topic: debeziumTopic });
  } finally {
    await worker.stop();
    folder.remove();
    await dropReplication(url);
    await topics.remove(debeziumTopic);
  }
}

async function anew({ url, topics }: Pick<DebeziumRun, 'url' | 'topics'>): Promise<void> {
  await dropReplication(url);
  await topics.remove(debeziumTopic);
  await topics.create(debeziumTopic, partitions);
}

/** Its offset is stored with the first record: without one, the changes made while it is down would be left out. */
async function oneChange(url: string, topics: Topics): Promise<void> {
  const client = await connect(url);
  await client.query('update orders set status = status where id = (select max(id) from orders)');
  await client.end();
  const deadline = Date.now() + 60_000;
  while ((await topics.records(debeziumTopic)) === 0)
    if (Date.now() > deadline) throw new Error('Debezium did not write the first change');
}

function connector(url: string, snapshot: 'initial' | 'no_data', pollMs: number): Properties {
  const { hostname, port, pathname, username } = new URL(url);
  return {
    name: 'orders',
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': 1,
    'plugin.name': 'pgoutput',
    'database.hostname': hostname,
    'database.port': port,
    'database.user': username,
    'database.password': 'none',
    'database.dbname': pathname.slice(1),
    'topic.prefix': prefix,
    'table.include.list': 'public.orders',
    'slot.name': slot,
    'publication.autocreate.mode': 'filtered',
    'snapshot.mode': snapshot,
    'topic.creation.default.partitions': partitions,
    'topic.creation.default.replication.factor': 1,
    'max.batch.size': 16_384,
    'max.queue.size': 65_536,
    'poll.interval.ms': pollMs,
    'snapshot.fetch.size': 20_000,
    'decimal.handling.mode': 'string',
  };
}
