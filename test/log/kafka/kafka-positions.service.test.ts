import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { partitionKey } from '../../../core/position.ts';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import type { Log, LogRecord } from '../../../log/log.ts';
import { createTopic } from '../../support/create-topic.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { type TailOptions, tail } from '../tail.ts';

const poll = { timeout: 20_000, interval: 20 };
const client = new Kafka({ brokers: [servers().kafka], logLevel: logLevel.NOTHING });
const admin = client.admin();
let log: Log;

beforeAll(async () => {
  log = await openKafkaLog({
    brokers: [servers().kafka],
    registry: { url: servers().registry },
    compression: 'gzip',
  });
  await admin.connect();
});
afterAll(async () => {
  await log?.close();
  await admin.disconnect();
});

const record = (topic: string, value: string): LogRecord => ({
  topic,
  partition: 0,
  key: Buffer.from('k'),
  value: Buffer.from(value),
  timestamp: 1,
});

async function topicWith(
  cleanup: 'compact' | 'delete' | 'compact,delete',
  configEntries: { name: string; value: string }[] = [],
) {
  const topic = uniqueName('positions');
  await createTopic(admin, {
    topic,
    numPartitions: 1,
    configEntries: [{ name: 'cleanup.policy', value: cleanup }, ...configEntries],
  });
  return topic;
}

/** As retention would, once kafkajs knows who leads the partition. */
async function removeBelow(topic: string, offset: string): Promise<void> {
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
}

function follow(options: TailOptions) {
  const t = tail(log, options);
  onTestFinished(() => t.stop().catch(() => {}));
  return t;
}

test('a start below the first record of a topic that is not compacted is refused, the first itself is not', async () => {
  const topic = await topicWith('delete');
  await log.append(['0', '1', '2', '3'].map((v) => record(topic, v)));
  await removeBelow(topic, '2');
  await expect(follow({ topics: [topic] }).done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
  const t = follow({ topics: [topic], from: { [partitionKey(topic, 0)]: 2 } });
  await expect.poll(() => t.values(topic), poll).toEqual(['2', '3']);
});

test('in a topic that is compacted and forgets by age, a start at its beginning has what is left, and a later one below it is refused', async () => {
  const topic = await topicWith('compact,delete');
  await log.append(['0', '1', '2', '3'].map((v) => record(topic, v)));
  await removeBelow(topic, '2');
  const behind = follow({ topics: [topic], from: { [partitionKey(topic, 0)]: 1 } });
  await expect(behind.done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
  const t = follow({ topics: [topic] });
  await expect.poll(() => t.values(topic), poll).toEqual(['2', '3']);
});

test('records that vanish before a waiting reader came to them end its reading, never pass in silence', async () => {
  const topic = await topicWith('delete', [{ name: 'max.message.bytes', value: '100000' }]);
  await log.append([record(topic, 'first')]);
  let release = () => {};
  const worked = new Promise<void>((resolve) => {
    release = resolve;
  });
  const t = follow({ topics: [topic], work: () => worked });
  onTestFinished(() => release());
  await expect.poll(() => t.records(topic).length, poll).toBe(1);
  for (let i = 0; i < 5; i++) await log.append([record(topic, `lost ${i}`)]);
  await removeBelow(topic, '4');
  release();
  await expect(t.done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
});

test('aborted records are not delivered, and the position goes past them and the transaction markers', async () => {
  const topic = await topicWith('compact');
  const producer = client.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const t = follow({ topics: [topic] });
  await expect.poll(() => t.held.size, poll).toBe(1);
  for (const [value, commit] of [
    ['kept', true],
    ['aborted', false],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: 'k', value, partition: 0 }] });
    await (commit ? transaction.commit() : transaction.abort());
  }
  await expect.poll(() => t.batches.at(-1)?.next, poll).toBe(4);
  expect(t.values(topic)).toEqual(['kept']);
});

test('a topic with a small message limit takes a large append, cut to fit', async () => {
  const topic = await topicWith('compact', [{ name: 'max.message.bytes', value: '20000' }]);
  const plain = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
  onTestFinished(() => plain.close());
  await plain.append(Array.from({ length: 100 }, (_, i) => record(topic, String(i).padEnd(1_000))));
  expect((await plain.offsets([topic])).get(partitionKey(topic, 0))?.end).toBe(100);
  await expect(plain.append([record(topic, 'x'.repeat(30_000))])).rejects.toMatchObject({
    code: 'LOG_RECORD_TOO_LARGE',
  });
});

test('the group shows how far the reading is, for the usual tools', async () => {
  const topic = await topicWith('compact');
  const group = uniqueName('group');
  await log.append([record(topic, '0'), record(topic, '1')]);
  const t = follow({ topics: [topic], group });
  await expect.poll(() => t.values(topic).length, poll).toBe(2);
  await log.append([record(topic, '2')]);
  await expect.poll(() => t.values(topic).length, poll).toBe(3);
  await t.stop();
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  expect(Number(committed?.partitions[0]?.offset)).toBeGreaterThanOrEqual(2);
});
