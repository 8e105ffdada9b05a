import { type PartitionKey, partitionKey } from '../../core/position.ts';
import type { LogRecord } from '../log.ts';
import type { Request } from './batch-producer.ts';
import { headerBytesAtMost } from './record-batch.ts';

/** What a request holds in all; a broker takes 100 MiB (socket.request.max.bytes). */
const maxRequestBytes = 8 << 20;
/** What a request holds for one partition at most, even where the topic takes more. */
const maxPartitionBytes = 1 << 20;
/** Upper bounds of what Kafka's record format v2 adds: https://kafka.apache.org/documentation/#recordbatch */
const batchOverhead = 80;
const recordOverhead = 40;

interface Filling {
  readonly records: LogRecord[];
  bytes: number;
  readonly room: number;
}

/**
 * Cuts records into requests that a broker takes, in order within each partition. `limit` is a topic's
 * max.message.bytes. A record that alone is larger goes alone: compressed it may still fit.
 */
export function* requests(
  records: Iterable<LogRecord>,
  limit: (topic: string) => number,
): Generator<Request> {
  let partitions = new Map<PartitionKey, Filling>();
  // Looked up by topic and number, since a text for each record would cost more than everything else here.
  let byTopic = new Map<string, (Filling | undefined)[]>();
  let bytes = 0;
  let headers: LogRecord['headers'];
  let headersSize = 0;
  for (const record of records) {
    // The records of a transaction share their headers.
    if (record.headers !== headers) {
      headers = record.headers;
      headersSize = headerBytesAtMost(headers);
    }
    const size = record.key.length + (record.value?.length ?? 0) + recordOverhead + headersSize;
    const filling = byTopic.get(record.topic)?.[record.partition];
    if (bytes > 0 && (bytes + size > maxRequestBytes || (filling && filling.bytes + size > filling.room))) {
      yield requestOf(partitions);
      partitions = new Map();
      byTopic = new Map();
      bytes = 0;
    }
    let into = byTopic.get(record.topic)?.[record.partition];
    if (!into) {
      into = {
        records: [],
        bytes: batchOverhead,
        room: Math.min(limit(record.topic), maxPartitionBytes),
      };
      partitions.set(partitionKey(record.topic, record.partition), into);
      const ofTopic = byTopic.get(record.topic) ?? [];
      byTopic.set(record.topic, ofTopic);
      ofTopic[record.partition] = into;
    }
    into.records.push(record);
    into.bytes += size;
    bytes += size;
  }
  if (bytes > 0) yield requestOf(partitions);
}

const requestOf = (partitions: ReadonlyMap<PartitionKey, Filling>): Request => ({
  partitions: new Map([...partitions].map(([key, { records }]) => [key, records])),
});
