import { AnyReader } from '../log/avro/any-reader.ts';
import type { Log, LogRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { ofKeyIn, type TopicToLookAt } from './look-log.ts';
import type { Tracer } from './target.ts';

/**
 * Appends a tombstone for every erased key whose newest record is a row again: a dead letter that somebody appended
 * anew, or a Log that was restored from a backup. Views do not take such a row, and compaction takes it away behind
 * the tombstone. Returns how many there were. A topic that is read and written meanwhile loses nothing else.
 */
export async function buryErased(
  log: Log,
  topics: readonly TopicToLookAt[],
  { tracer, signal }: { tracer: Tracer; signal: AbortSignal },
): Promise<number> {
  const reader = new AnyReader(log.schemas);
  const back = new Map<string, LogRecord>();
  for (const place of topics) {
    const { topic } = place;
    for await (const { partition, records } of readToEnd(log, [topic], { signal }))
      for (const { key, value } of records) {
        const row = key && (await reader.read(key));
        if (!key || !row) continue;
        if (ofKeyIn(place, row, tracer).length === 0) continue;
        const name = `${topic}/${partition}/${key.toString('latin1')}`;
        if (value === null) back.delete(name);
        else
          back.set(name, { topic, partition, key, value: null, timestamp: Date.now(), headers: { op: 'd' } });
      }
  }
  if (back.size > 0) await log.append([...back.values()]);
  return back.size;
}
