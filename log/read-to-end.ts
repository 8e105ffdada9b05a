import { type Offset, type PartitionKey, partitionKey } from '../core/position.ts';
import type { Log, RecordBatch } from './log.ts';

export interface ReadToEndOptions {
  /** Where to begin; partitions that are not in it are not read. Default: the first offset of every partition. */
  readonly from?: ReadonlyMap<PartitionKey, Offset>;
  readonly signal?: AbortSignal;
}

/**
 * Reads topics from the first offset that the Log holds to the end that they have when the reading begins, and
 * then ends. The last batch of a partition may hold records that came later. Topics that do not exist, or hold
 * nothing, give no batch. An abort rejects with the signal's reason: what was read until then is not the whole.
 */
export async function* readToEnd(
  log: Pick<Log, 'consume' | 'offsets'>,
  topics: readonly string[],
  options: ReadToEndOptions = {},
): AsyncGenerator<RecordBatch> {
  const { from, signal } = options;
  signal?.throwIfAborted();
  const ranges = await log.offsets(topics);
  const begin = (key: PartitionKey): Offset => {
    const range = ranges.get(key);
    return from ? (from.get(key) ?? range?.end ?? 0) : (range?.first ?? 0);
  };
  const unread = new Map([...ranges].filter(([key, { end }]) => begin(key) < end));
  if (unread.size === 0) return;
  const stop = new AbortController();
  const batches = log.consume({
    topics: topics.filter((topic) => [...unread.keys()].some((key) => key.startsWith(`${topic}/`))),
    from: async (topic, partition) => begin(partitionKey(topic, partition)),
    signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
  });
  try {
    for await (const batch of batches) {
      const key = partitionKey(batch.topic, batch.partition);
      const range = unread.get(key);
      if (!range) continue;
      yield batch;
      if (batch.next >= range.end) unread.delete(key);
      if (unread.size === 0) return;
    }
    signal?.throwIfAborted();
  } finally {
    stop.abort();
  }
}
