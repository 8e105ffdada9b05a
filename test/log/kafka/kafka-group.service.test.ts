import { createRequire } from 'node:module';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { tail } from '../tail.ts';

const poll = { timeout: 20_000, interval: 20 };
const require = createRequire(import.meta.url);
const Broker = require('kafkajs/src/broker') as {
  prototype: { joinGroup(request: { groupId: string }): Promise<unknown> };
};
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error;
};
/** Error codes of https://kafka.apache.org/protocol#protocol_error_codes */
const loadInProgress = 14;
const groupAuthorizationFailed = 30;

async function topicWithRecord() {
  const log = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
  onTestFinished(() => log.close());
  const topic = uniqueName('group');
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  const append = (value: string) =>
    log.append([{ topic, partition: 0, key: Buffer.from('k'), value: Buffer.from(value), timestamp: 1 }]);
  await append('0');
  const follow = (group = uniqueName('members')) => {
    const t = tail(log, { topics: [topic], group });
    onTestFinished(() => t.stop().catch(() => {}));
    return t;
  };
  return { topic, append, follow };
}

/** Answers of the real broker, but the first joins are refused as it refuses them in its first moments. */
function refuseJoins(code: number, times: number) {
  const joins = vi.spyOn(Broker.prototype, 'joinGroup');
  for (let i = 0; i < times; i++) joins.mockRejectedValueOnce(createErrorFromCode(code));
  onTestFinished(() => joins.mockRestore());
  return joins;
}

test('a reader that comes while the group coordinator still loads waits for it, and reads everything', async () => {
  const { topic, append, follow } = await topicWithRecord();
  const joins = refuseJoins(loadInProgress, 3);
  const t = follow();
  await expect.poll(() => t.values(topic), poll).toEqual(['0']);
  expect(joins).toHaveBeenCalledTimes(4);
  await append('1');
  await expect.poll(() => t.values(topic), poll).toEqual(['0', '1']);
  await t.stop();
});

test('reading ends without an error when it is stopped while the coordinator still loads', async () => {
  const { topic, follow } = await topicWithRecord();
  const joins = refuseJoins(loadInProgress, 1_000);
  const t = follow();
  await expect.poll(() => joins.mock.calls.length, poll).toBeGreaterThan(1);
  await t.stop();
  expect(t.values(topic)).toEqual([]);
  joins.mockReset();
  // While the next one is refused, the one that was stopped would have had the time to come back.
  refuseJoins(loadInProgress, 3);
  const next = follow();
  await expect.poll(() => next.values(topic), poll).toEqual(['0']);
  expect(new Set(joins.mock.calls.map(([request]) => request.groupId)).size).toBe(1);
});

test('a join that is refused for another reason ends the reading with its error', async () => {
  const { follow } = await topicWithRecord();
  refuseJoins(groupAuthorizationFailed, 1);
  await expect(follow().done).rejects.toMatchObject({ code: 'LOG_AUTH' });
});
