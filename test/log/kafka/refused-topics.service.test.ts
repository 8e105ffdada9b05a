import { afterAll, beforeAll, expect, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import type { Log, TopicSpec } from '../../../log/log.ts';
import { servers, uniqueName } from '../../support/servers.ts';

let log: Log;
let name: string;
const { kafka, registry } = servers();
const topic = (ending: string): TopicSpec => ({ name: name + ending, partitions: 1, cleanup: 'compact' });
const made = async () => (await log.topics()).filter((other) => other.startsWith(name));

beforeAll(async () => {
  log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  name = uniqueName('refused');
  await log.ensureTopics([topic('_public_t')]);
});
afterAll(async () => {
  await log.deleteTopics(await made());
  await log.close();
});

test.each([
  ['is too long', 'n'.repeat(250)],
  ['differs from another in a dot only', '.public.t'],
])('a topic whose name %s is refused by its name, also when it is only asked for', async (_what, ending) => {
  const refused = {
    code: 'LOG_TOPIC',
    message: `Kafka refuses to create the topic "${name}${ending}" (INVALID_TOPIC_EXCEPTION).`,
    hint: expect.stringMatching(/at most 249 characters, which differs from those of other topics/),
  };
  await expect(log.checkTopics([topic('.one'), topic(ending)])).rejects.toMatchObject(refused);
  expect(await made()).toEqual([`${name}_public_t`]);
  await expect(log.ensureTopics([topic(ending)])).rejects.toMatchObject(refused);
});

test('more replicas than there are brokers are refused when it is asked', async () => {
  const asking = await openKafkaLog({ brokers: [kafka], registry: { url: registry }, replicationFactor: 9 });
  try {
    await expect(asking.checkTopics([topic('.two')])).rejects.toMatchObject({
      code: 'LOG_TOPIC',
      message: `Kafka refuses to create the topic "${name}.two" (INVALID_REPLICATION_FACTOR).`,
      hint: expect.stringMatching(/^Set `replicationFactor` to at most the number of brokers/),
    });
  } finally {
    await asking.close();
  }
});
