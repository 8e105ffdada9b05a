import { type Offset, type PartitionKey, partitionKey } from '../core/position.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Log, LogRecord, RecordBatch } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { ofDeadIn, type TopicToLookAt } from './record-traces.ts';
import type { Tracer } from './tracer.ts';

/** What came while a topic was read is read as well, before anything is appended. */
const catchUps = 2;

/**
 * Appends a tombstone for every erased key whose newest record is a row again: a dead letter that somebody appended
 * anew, or a Log that was restored from a backup. So too for rows that a TRUNCATE deleted before the erasure, since
 * that leaves their records where they are. Views do not take such a row, and compaction takes it away behind
 * the tombstone. Returns how many there were. A topic that is read and written meanwhile loses nothing else: of a key
 * that somebody else has since a TRUNCATE the newest record is of behind the erasure. Only a row that gets such a key
 * in the milliseconds before the append is gone from views until it changes.
 */
export async function buryErased(
  log: Log,
  topics: readonly TopicToLookAt[],
  { tracer, signal }: { tracer: Tracer; signal: AbortSignal },
): Promise<number> {
  const reader = new AnyReader(log.schemas);
  let count = 0;
  for (const place of topics) {
    const back = new Map<string, LogRecord>();
    const next = new Map<PartitionKey, Offset>();
    const take = async ({ topic, partition, records, next: behind }: RecordBatch) => {
      next.set(partitionKey(topic, partition), behind);
      for (const { key, value, headers } of records) {
        if (!key || isTruncate({ headers })) continue;
        const row = await reader.read(key);
        if (!row) continue;
        const name = `${partition}/${key.toString('latin1')}`;
        if (value === null || ofDeadIn(place, row, headers, tracer).length === 0) back.delete(name);
        else
          back.set(name, { topic, partition, key, value: null, timestamp: Date.now(), headers: { op: 'd' } });
      }
    };
    for await (const batch of readToEnd(log, [place.topic], { signal })) await take(batch);
    for (let i = 0; i < catchUps && back.size > 0; i++)
      for await (const batch of readToEnd(log, [place.topic], { from: next, signal })) await take(batch);
    if (back.size > 0) await log.append([...back.values()]);
    count += back.size;
  }
  return count;
}
