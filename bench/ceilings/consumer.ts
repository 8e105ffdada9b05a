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
  // What came with the first answer took the time of joining the group.
  let first: { seen: number; at: number } | null = null;
  let seen = 0;
  const joinedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        partitionsConsumedConcurrently: 4,
        eachBatch: async ({ batch }) => {
          seen += batch.messages.length;
          first ??= { seen, at: performance.now() };
          if (seen >= records) resolve();
        },
      })
      .catch(reject);
  });
  const { seen: before, at } = first!.seen < records ? first! : { seen: 0, at: joinedAt };
  const seconds = (performance.now() - at) / 1000;
  await consumer.disconnect();
  return { name: 'bare kafkajs consumer', recordsPerSecond: (records - before) / seconds };
}
