import type { TopicMessages } from 'kafkajs';
import type { LogRecord } from '../log.ts';

/** What a request holds in all; a broker takes 100 MiB (socket.request.max.bytes). */
const maxRequestBytes = 8 << 20;
/** What a request holds for one partition at most, even where the topic takes more. */
const maxPartitionBytes = 1 << 20;
/** Upper bounds of what Kafka's record format v2 adds: https://kafka.apache.org/documentation/#recordbatch */
const batchOverhead = 80;
const recordOverhead = 40;
const headerOverhead = 10;

/**
 * Cuts records into requests that a broker takes, in order within each partition. `limit` is a topic's
 * max.message.bytes. A record that alone is larger goes alone: compressed it may still fit.
 */
export function* requests(
  records: Iterable<LogRecord>,
  limit: (topic: string) => number,
): Generator<TopicMessages[]> {
  let topics = new Map<string, TopicMessages>();
  let bytesOf = new Map<string, number>();
  let bytes = 0;
  for (const record of records) {
    const size = sizeOf(record);
    const partition = `${record.topic}/${record.partition}`;
    const inPartition = bytesOf.get(partition) ?? batchOverhead;
    const room = Math.min(limit(record.topic), maxPartitionBytes);
    if (
      bytes > 0 &&
      (bytes + size > maxRequestBytes || (bytesOf.has(partition) && inPartition + size > room))
    ) {
      yield [...topics.values()];
      topics = new Map();
      bytesOf = new Map();
      bytes = 0;
    }
    let topic = topics.get(record.topic);
    if (!topic) {
      topic = { topic: record.topic, messages: [] };
      topics.set(record.topic, topic);
    }
    topic.messages.push({
      partition: record.partition,
      key: record.key,
      value: record.value,
      timestamp: String(record.timestamp),
      ...(record.headers ? { headers: record.headers as Record<string, Buffer | string> } : {}),
    });
    bytesOf.set(partition, (bytesOf.get(partition) ?? batchOverhead) + size);
    bytes += size;
  }
  if (bytes > 0) yield [...topics.values()];
}

function sizeOf(record: LogRecord): number {
  let size = record.key.length + (record.value?.length ?? 0) + recordOverhead;
  for (const name in record.headers) {
    const value = record.headers[name]!;
    size += name.length * 3 + headerOverhead + (typeof value === 'string' ? value.length * 3 : value.length);
  }
  return size;
}
