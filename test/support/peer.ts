import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';
import type { Log } from '../../log/log.ts';
import { exactLong } from './avro-decode.ts';
import { recordsOf } from './capture.ts';
import { servers, uniqueName } from './servers.ts';

export interface PeerRecord {
  readonly key: Record<string, unknown>;
  readonly value: Record<string, unknown> | null;
}

/**
 * Every record that a topic holds now, in the order of its partitions, as a consumer has it that knows nothing of
 * insideout: kafkajs and Confluent's decoding, as any other team would use.
 */
export async function readByAPeer(log: Log, topic: string): Promise<PeerRecord[]> {
  const wanted = new Set((await recordsOf(log, topic)).map((r) => `${r.partition} ${r.offset}`));
  const { kafka, registry } = servers();
  // Its own long loses digits, and refuses to.
  const options = { [SchemaType.AVRO]: { registry: { long: exactLong } } };
  const decoder = new SchemaRegistry(
    { host: registry },
    options as ConstructorParameters<typeof SchemaRegistry>[1],
  );
  const consumer = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).consumer({
    groupId: uniqueName('peer'),
  });
  const records: PeerRecord[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ partition, message: { offset, key, value } }) => {
            try {
              records.push({
                key: await decoder.decode(key!),
                value: value && (await decoder.decode(value)),
              });
            } catch (error) {
              reject(error);
            }
            wanted.delete(`${partition} ${offset}`);
            if (wanted.size === 0) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return records;
}
