import { expect, onTestFinished, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { killAndTakeOver } from '../killed-writer.ts';

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
