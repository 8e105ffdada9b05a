import type { Log, LogRecord } from '../../../log/log.ts';
import { readToEnd } from '../../../log/read-to-end.ts';
import type { Origin } from './record-batch.ts';
import type { PreparedTable } from './tables.ts';

const batchRecords = 5_000;
/** How many keys are remembered as done; one that comes again after these gets one more tombstone. */
const rememberedKeys = 100_000;

/**
 * Tombstones for all rows that the topic of a table holds now, under the bytes and in the partition where they are.
 * A truncate record hides them from who reads, but compaction would keep what no later record has the key of: rows
 * that were deleted while the table was not captured, and those under keys of another shape.
 */
export async function* buryFormerRows(
  log: Log,
  { topic }: PreparedTable,
  { origin, signal }: { origin: Origin; signal: AbortSignal },
): AsyncGenerator<LogRecord[]> {
  const done = new Set<string>();
  let batch: LogRecord[] = [];
  for await (const { partition, records } of readToEnd(log, [topic], { signal })) {
    for (const { key, value, headers } of records) {
      if (key === null || value === null || headers.op?.toString() === 't') continue;
      const name = `${partition} ${key.toString('latin1')}`;
      if (done.has(name)) continue;
      if (done.size >= rememberedKeys) done.clear();
      done.add(name);
      const copy = Buffer.from(key);
      batch.push({
        topic,
        partition,
        key: copy,
        value: null,
        headers: origin.headers('d'),
        timestamp: origin.timestamp,
      });
    }
    if (batch.length < batchRecords) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
