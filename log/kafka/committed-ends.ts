import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { Cluster } from './kafkajs-cluster.ts';

/** Of ListOffsets, https://kafka.apache.org/protocol#The_Messages_ListOffsets */
const readCommitted = 1;
const latest = -1;

/**
 * The offsets behind the last committed record of each partition. While a transaction is open, that is before its
 * first record. The cluster must know the topics.
 */
export async function committedEnds(
  cluster: Cluster,
  topics: ReadonlyMap<string, ReadonlySet<number>>,
): Promise<ReadonlyMap<PartitionKey, Offset>> {
  const ends = new Map<PartitionKey, Offset>();
  for (const [topic, partitions] of topics)
    for (const [nodeId, led] of Object.entries(cluster.findLeaderForPartitions(topic, [...partitions]))) {
      const broker = await cluster.findBroker({ nodeId });
      const asked = led.map((partition) => ({ partition, timestamp: latest }));
      const { responses } = await broker.listOffsets({
        isolationLevel: readCommitted,
        topics: [{ topic, partitions: asked }],
      });
      for (const response of responses)
        for (const { partition, offset } of response.partitions)
          ends.set(partitionKey(response.topic, partition), Number(offset));
    }
  return ends;
}
