import { CompressionTypes, type Producer, type TopicMessages } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { Request } from './batch-producer.ts';

export interface ConfirmedSend {
  readonly request: Request;
  readonly compression: 'none' | 'gzip';
}

/**
 * Sends one request by a producer or within a transaction, and fails unless every partition was confirmed. Returns
 * the offset of the first record in each.
 */
export async function sendConfirmed(
  to: Pick<Producer, 'sendBatch'>,
  send: ConfirmedSend,
): Promise<ReadonlyMap<PartitionKey, Offset>> {
  const topicMessages = messagesOf(send.request);
  const compression = send.compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
  const answers = await to.sendBatch({ topicMessages, acks: -1, compression });
  const confirmed = new Map(
    answers.map((a) => [partitionKey(a.topicName, a.partition), Number(a.baseOffset)] as const),
  );
  // kafkajs leaves out a partition whose leader moved, while a request was repeated, to a broker that had
  // already answered: the call succeeds although the records are nowhere.
  for (const { topic, messages } of topicMessages)
    for (const { partition } of messages)
      if (!confirmed.has(partitionKey(topic, partition ?? 0)))
        throw new InsideoutError(
          'LOG_UNREACHABLE',
          `Kafka did not confirm partition ${partition} of ${topic}.`,
          {
            hint: 'Its leader moved; the append is repeated.',
          },
        );
  return confirmed;
}

function messagesOf({ partitions }: Request): TopicMessages[] {
  const topics = new Map<string, TopicMessages>();
  for (const records of partitions.values()) {
    const { topic } = records[0]!;
    const into = topics.get(topic) ?? { topic, messages: [] };
    topics.set(topic, into);
    for (const { partition, key, value, timestamp, headers } of records)
      into.messages.push({
        partition,
        key,
        value,
        timestamp: String(timestamp),
        ...(headers ? { headers: headers as Record<string, Buffer | string> } : {}),
      });
  }
  return [...topics.values()];
}

/** Every record says which partition it goes to. */
export const explicitPartitioner =
  () =>
  ({ message }: { message: { partition?: number } }): number =>
    message.partition ?? 0;
