import { Kafka, logLevel } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { producingCluster } from '../../../log/kafka/batch-producer.ts';
import { committedEnds } from '../../../log/kafka/committed-ends.ts';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { killAndTakeOver } from '../killed-writer.ts';
import { tail } from '../tail.ts';

async function opened() {
  const log = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
  onTestFinished(() => log.close());
  return log;
}

test('appends of a writer that was killed are in Kafka whole or not at all, once another took over', async () => {
  const log = await opened();
  for (let round = 0; round < 3; round++) await killAndTakeOver(log, 'kafka', uniqueName('killed'));
});

test('a writer that knows a deleted topic fails as if Kafka were away, and the next one appends', async () => {
  const log = await opened();
  const [gone, other] = [uniqueName('gone'), uniqueName('other')];
  const topic = (name: string) => ({ name, partitions: 1, cleanup: 'compact' as const });
  const record = (name: string) => ({
    topic: name,
    partition: 0,
    key: Buffer.from('k'),
    value: null,
    timestamp: 1,
  });
  await log.ensureTopics([topic(gone), topic(other)]);
  const writer = await log.fencedWriter(gone);
  await writer.append([record(gone)]);
  await log.deleteTopics([gone]);
  await expect(writer.append([record(other)])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await (await log.fencedWriter(gone)).append([record(other)]);
  expect((await log.offsets([other])).get(`${other}/0`)?.end).toBe(2);
});

const compacted = (name: string) => ({ name, partitions: 1, cleanup: 'compact' as const });
const numbered = (topic: string, n: number, bytes = 1) => ({
  topic,
  partition: 0,
  key: Buffer.from(`k${n}`),
  value: Buffer.alloc(bytes, n),
  timestamp: Date.now(),
});

test('an append of several requests, the last of which Kafka refuses, is not in the topic at all', async () => {
  const log = await opened();
  const topic = uniqueName('refused');
  await log.ensureTopics([compacted(topic)]);
  const writer = await log.fencedWriter(topic);
  const parts = [700_000, 700_000, 20_000_000].map((bytes, n) => numbered(topic, n, bytes));
  await expect(writer.append(parts)).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE' });
  await (await log.fencedWriter(topic)).append([numbered(topic, 9)]);
  const t = tail(log, { topics: [topic] });
  onTestFinished(() => t.stop());
  await expect.poll(() => t.records(topic).map((r) => String(r.key)), { timeout: 30_000 }).toContain('k9');
  expect(t.records(topic).map((r) => String(r.key))).toEqual(['k9']);
});

test('once an append has resolved, the end of the topic is behind it', async () => {
  const log = await opened();
  const topic = uniqueName('visible');
  await log.ensureTopics([compacted(topic)]);
  const writer = await log.fencedWriter(topic);
  const cluster = producingCluster(new Kafka({ brokers: [servers().kafka], logLevel: logLevel.NOTHING }));
  onTestFinished(() => cluster.disconnect());
  await cluster.connect();
  await cluster.addMultipleTargetTopics([topic]);
  for (let n = 1; n <= 100; n++) {
    await writer.append([numbered(topic, n)]);
    const ends = await committedEnds(cluster, new Map([[topic, new Set([0])]]));
    // Each transaction ends with a marker.
    expect(ends.get(`${topic}/0`)).toBe(2 * n);
  }
});
