import type { Ceiling } from '../cases/case.ts';
import { plainKafka } from '../workload/topics.ts';

/** kafkajs reading the topic from its start, and throwing everything away. */
export async function consumeAlone(topic: string, records: number): Promise<Ceiling> {
  const consumer = plainKafka().consumer({
    groupId: `bench-bare-${process.pid}-${performance.now()}`,
    maxBytesPerPartition: 4 << 20,
    maxBytes: 16 << 20,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let seen = 0;
  let startedAt = 0;
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        partitionsConsumedConcurrently: 4,
        eachBatch: async ({ batch }) => {
          startedAt ||= performance.now();
          seen += batch.messages.length;
          if (seen >= records) resolve();
        },
      })
      .catch(reject);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await consumer.disconnect();
  return { name: 'bare kafkajs consumer', recordsPerSecond: records / seconds };
}
