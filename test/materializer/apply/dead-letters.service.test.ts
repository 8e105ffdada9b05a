import { expect, onTestFinished, test } from 'vitest';
import { InsideoutError } from '../../../core/errors.ts';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { readToEnd } from '../../../log/read-to-end.ts';
import {
  deadLetterTopic,
  type FailedRecord,
  readDeadLetters,
  removeDeadLetters,
  writeDeadLetters,
} from '../../../materializer/apply/dead-letters.ts';
import { servers, uniqueName } from '../../support/servers.ts';

test('on Kafka a removed letter is gone for good, and the others stay', async () => {
  const log = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
  onTestFinished(() => log.close());
  const topic = uniqueName('letters');
  const failed = (offset: number, value: string): FailedRecord => ({
    topic,
    partition: 0,
    view: 'v',
    record: {
      offset,
      key: Buffer.from(`key ${value}`),
      value: Buffer.from(value),
      headers: {},
      timestamp: 0,
    },
    stage: 'decode',
    error: new InsideoutError('RECORD_UNDECODABLE', 'Noise.', { hint: 'Look.' }),
    attempts: 1,
  });
  await writeDeadLetters(log, [failed(1, 'alice'), failed(2, 'bob')]);
  const [alice] = await readDeadLetters(log, topic);
  expect([String(alice?.key), String(alice?.value)]).toEqual(['key alice', 'alice']);
  await removeDeadLetters(log, [alice!], { signal: new AbortController().signal });
  expect((await readDeadLetters(log, topic)).map((l) => String(l.value))).toEqual(['bob']);
  const stored: string[] = [];
  for await (const { records } of readToEnd(log, [deadLetterTopic(topic)]))
    for (const { key, value } of records) stored.push(`${key} ${value}`);
  expect(stored).toEqual([`${topic}/0/2/v bob`, `${topic}/0/1/v null`]);
});
