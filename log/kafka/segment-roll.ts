import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { type PartitionKey, parsePartitionKey } from '../../core/position.ts';
import { producingCluster } from './batch-producer.ts';
import { Transactions } from './transactions.ts';

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
  const [first] = partitions;
  if (first === undefined) return;
  const cluster = producingCluster(kafka);
  try {
    await cluster.connect();
    const markers = await Transactions.open(cluster, `insideout.roll.${randomUUID()}`);
    // One by one: a refusal of one partition names it, and the others have joined nothing.
    for (const partition of partitions) await markers.add(alone(partition));
    await markers.commit();
    // Kafka confirms a commit before its markers are written, and lets no other transaction begin until they are.
    await markers.add(alone(first));
    await markers.abort();
  } finally {
    await cluster.disconnect().catch(() => {});
  }
}

function alone(key: PartitionKey): Map<string, Set<number>> {
  const { topic, partition } = parsePartitionKey(key);
  return new Map([[topic, new Set([partition])]]);
}
