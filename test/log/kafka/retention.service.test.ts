import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { readOwnSettings } from '../../../log/kafka/topic-settings.ts';
import type { Log } from '../../../log/log.ts';
import { createTopic } from '../../support/create-topic.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { kafka: broker, registry } = servers();
let log: Log;
let admin: Admin;
beforeAll(async () => {
  log = await openKafkaLog({ brokers: [broker], registry: { url: registry } });
  admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
});
afterAll(async () => {
  await log?.close();
  await admin?.disconnect();
});

const settingsOf = async (topic: string) =>
  Object.fromEntries((await readOwnSettings(admin, [topic])).get(topic)!);
const spec = (name: string, retentionMs?: number) => ({
  name,
  partitions: 1,
  cleanup: 'compact' as const,
  ...(retentionMs === undefined ? {} : { retentionMs }),
});

test('a compacted topic forgets by age when it is told to, new or not, and keeps what else it says of itself', async () => {
  const [made, there] = [uniqueName('made'), uniqueName('there')];
  await createTopic(admin, {
    topic: there,
    numPartitions: 1,
    configEntries: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'segment.ms', value: '3600000' },
    ],
  });
  await log.ensureTopics([spec(made, 5_000), spec(there, 7_000)]);
  expect(await settingsOf(made)).toEqual({
    'cleanup.policy': 'compact,delete',
    'retention.ms': '5000',
    'max.message.bytes': String(8 << 20),
  });
  const told = { 'cleanup.policy': 'compact,delete', 'retention.ms': '7000', 'segment.ms': '3600000' };
  await expect.poll(() => settingsOf(there), { timeout: 10_000 }).toEqual(told);
  await log.ensureTopics([spec(there)]);
  expect(await settingsOf(there)).toEqual(told);
  expect(await log.tombstoneRetention([made])).toEqual(new Map([[made, 24 * 3_600_000]]));
});
