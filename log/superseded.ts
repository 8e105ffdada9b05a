import { createHash } from 'node:crypto';
import { murmur2 } from '../core/partition.ts';
import { type Offset, type PartitionKey, partitionKey } from '../core/position.ts';
import type { Log, StoredRecord } from './log.ts';
import { readToEnd } from './read-to-end.ts';

/** Records of a partition of which the Log holds a newer one with the same key. */
export interface Superseded {
  readonly count: number;
  /** Offset of the last of them. */
  readonly last: Offset;
}

export interface SupersededOptions {
  /** Records from these offsets on count for nothing; partitions that are not in it are not read. */
  readonly below: ReadonlyMap<PartitionKey, Offset>;
  readonly signal: AbortSignal;
  /** Keys that are remembered at a time. Default: 400 thousand, about 50 MB. */
  readonly keys?: number;
}

/**
 * Counts superseded records by reading the topics. Partitions without any are left out, records without a key are
 * ignored. Memory is bounded: topics that may hold more keys are read several times, each time for some of them.
 */
export async function countSuperseded(
  log: Pick<Log, 'consume' | 'offsets'>,
  topics: readonly string[],
  { below, signal, keys = 400_000 }: SupersededOptions,
): Promise<Map<PartitionKey, Superseded>> {
  const ranges = await log.offsets(topics);
  const from = new Map<PartitionKey, Offset>();
  let records = 0;
  for (const [key, { first }] of ranges) {
    const length = (below.get(key) ?? 0) - first;
    if (length <= 0) continue;
    from.set(key, first);
    records += length;
  }
  const slices = Math.max(1, Math.ceil(records / keys));
  const found = new Map<PartitionKey, Superseded>();
  for (let slice = 0; slice < slices; slice++) {
    const newestOf = new Map([...from.keys()].map((at) => [at, new Map<string, Offset>()]));
    for await (const batch of readToEnd(log, topics, { from, signal })) {
      const at = partitionKey(batch.topic, batch.partition);
      const newest = newestOf.get(at);
      for (const { key, offset } of inSlice(batch.records, slice, slices)) {
        if (!newest || offset >= (below.get(at) ?? 0)) break;
        const name = identity(key);
        const older = newest.get(name);
        newest.set(name, offset);
        if (older !== undefined) add(found, at, older);
      }
    }
  }
  return found;
}

function* inSlice(
  records: readonly StoredRecord[],
  slice: number,
  slices: number,
): Generator<{ key: Buffer; offset: Offset }> {
  // Not by the lowest bits, which chose the partition already.
  for (const { key, offset } of records)
    if (key !== null && (slices === 1 || (murmur2(key) >>> 8) % slices === slice)) yield { key, offset };
}

/** A key as text, whose length is bounded. */
const identity = (key: Buffer): string =>
  key.length <= 32 ? key.toString('latin1') : createHash('sha256').update(key).digest().toString('latin1');

function add(found: Map<PartitionKey, Superseded>, at: PartitionKey, offset: Offset): void {
  const before = found.get(at);
  found.set(at, { count: (before?.count ?? 0) + 1, last: Math.max(before?.last ?? 0, offset) });
}
