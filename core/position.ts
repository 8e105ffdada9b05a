/**
 * An offset in a partition. A number, not a bigint, because the inner loop counts with it; always a safe
 * integer (a partition would need 9 * 10^15 records to leave that range).
 */
export type Offset = number;

/** One partition of one topic. Total order holds within it, and a key lives in exactly one. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** `topic` and `partition` as one map key, `topic/partition`. Topic names cannot contain a slash. */
export type PartitionKey = string;

/** Topic-partition to the *next* offset to read. A partition that is missing starts at 0. */
export type Checkpoint = ReadonlyMap<PartitionKey, Offset>;

export function partitionKey(topic: string, partition: number): PartitionKey {
  return `${topic}/${partition}`;
}

export function parsePartitionKey(key: PartitionKey): TopicPartition {
  const slash = key.lastIndexOf('/');
  return { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
}
