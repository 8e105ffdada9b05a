import { randomUUID } from 'node:crypto';
import type { Kafka, Message, Transaction } from 'kafkajs';
import { type PartitionKey, parsePartitionKey } from '../../core/position.ts';
import { explicitPartitioner } from './confirmed-send.ts';

/**
 * Makes the brokers begin a new segment in each of the partitions whose last one is older than their segment.ms:
 * Kafka looks at that when something is appended, and it never compacts the segment that is appended to.
 *
 * What is appended is a transaction's end without a transaction's records. No reader is ever given that marker, ours
 * or others', and it has no key, so it can neither overtake nor outlive a record. A record in its place could: the
 * newest value of a key, written again, may come after a newer one that the source writes at this moment; and a
 * reserved key would have to be known to everybody who reads, while the one of truncate records is taken, since a
 * tombstone with it would let compaction forget a truncate and so bring deleted rows back.
 */
export async function rollSegments(kafka: Kafka, partitions: readonly PartitionKey[]): Promise<void> {
  const producer = kafka.producer({
    transactionalId: `insideout.roll.${randomUUID()}`,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: explicitPartitioner,
    retry: { initialRetryTime: 20, maxRetryTime: 2_000, retries: 11 },
  });
  try {
    await producer.connect();
    const markers = await producer.transaction();
    // One by one, because a refusal would leave the requests to other brokers on their way.
    for (const partition of partitions) await join(markers, partition);
    await markers.commit();
    // Kafka confirms a commit before its markers are written, and lets no other transaction begin until they are.
    const after = await producer.transaction();
    if (partitions[0] !== undefined) await join(after, partitions[0]);
    await after.abort();
  } finally {
    await producer.disconnect().catch(() => {});
  }
}

async function join(transaction: Transaction, key: PartitionKey): Promise<void> {
  const { topic, partition } = parsePartitionKey(key);
  const refusal = new Error('the partition has joined the transaction');
  await transaction.send({ topic, messages: [refusing(partition, refusal)] }).catch((error: unknown) => {
    if (error !== refusal) throw error;
  });
}

/**
 * A message that cannot be encoded. kafkajs lets partitions join a transaction only on the way of a send, before it
 * encodes what is sent.
 * https://github.com/tulios/kafkajs/blob/v2.2.4/src/producer/sendMessages.js
 */
function refusing(partition: number, refusal: Error): Message {
  return {
    partition,
    value: null,
    get headers(): never {
      throw refusal;
    },
  };
}
