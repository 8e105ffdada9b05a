import type { KafkaMessage } from 'kafkajs';
import type { Ceiling } from '../cases/case.ts';
import { plainKafka, type Topics } from '../workload/topics.ts';

/** More in a request make kafkajs slower: it copies a partition's records once for each of them. */
const batchRecords = 2_000;
const partitions = 4;

/**
 * kafkajs with records that it finds ready: those of the topic, over and over, with Buffer keys and explicit
 * partitions, a request under way while the next is made. Once with their headers and once without.
 */
export async function produceAlone(options: {
  topic: string;
  records: number;
  topics: Topics;
}): Promise<Ceiling[]> {
  const { records, topics } = options;
  const sample = await sampleOf(options.topic, batchRecords);
  const found: Ceiling[] = [];
  for (const headers of [true, false]) {
    const topic = `bench.producer.${headers ? 'headers' : 'bare'}`;
    await topics.remove(topic);
    await topics.create(topic, partitions);
    const messages = sample.map(({ key, value, headers: own, timestamp }, i) => ({
      key,
      value,
      timestamp,
      partition: i % partitions,
      ...(headers ? { headers: own ?? {} } : {}),
    }));
    const recordsPerSecond = await produce(topic, messages, records);
    await topics.remove(topic);
    found.push({
      name: headers ? 'bare kafkajs producer, the same records' : 'bare kafkajs producer, without headers',
      recordsPerSecond,
      compared: headers,
    });
  }
  return found;
}

async function produce(
  topic: string,
  messages: { key: Buffer | null; value: Buffer | null; partition: number }[],
  records: number,
): Promise<number> {
  const producer = plainKafka().producer({
    maxInFlightRequests: 2,
    allowAutoTopicCreation: false,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  await producer.connect();
  const startedAt = performance.now();
  let sent = 0;
  let before: Promise<unknown> = Promise.resolve();
  while (sent < records) {
    const part = messages.slice(0, records - sent);
    const sending = producer.sendBatch({ topicMessages: [{ topic, messages: part }], acks: -1 });
    await before;
    before = sending;
    sent += part.length;
  }
  await before;
  const seconds = (performance.now() - startedAt) / 1000;
  await producer.disconnect();
  return records / seconds;
}

/** The first records of a topic, wherever they lie. */
export async function sampleOf(topic: string, wanted: number): Promise<KafkaMessage[]> {
  const consumer = plainKafka().consumer({ groupId: `bench-sample-${process.pid}-${performance.now()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: KafkaMessage[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) if (found.length < wanted) found.push(message);
          if (found.length >= wanted) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return found;
}
