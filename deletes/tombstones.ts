import { type Offset, partitionKey } from '../core/position.ts';
import type { Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import type { Catalog } from '../materializer/generations/catalog.ts';
import { progressOf, type StoreOf } from '../materializer/generations/progress.ts';
import { concerned } from './applied.ts';

export interface RetentionParts {
  readonly log: Log;
  readonly catalog: Catalog;
  readonly store: StoreOf;
  readonly signal: AbortSignal;
  readonly now?: number;
}

/** Less than this is warned of whoever lags: a daemon that is stopped over a lunch would miss deletions. */
const shortMs = 60 * 60 * 1_000;

/**
 * Where a tombstone may be forgotten before the slowest generation has read it, as one sentence each with its mend:
 * what a generation has not read is older than half of what its input keeps tombstones for, or that is less than an
 * hour. Only of views that these topics feed, and of inputs that are compacted.
 */
export async function retentionWarnings(topics: readonly string[], parts: RetentionParts): Promise<string[]> {
  const { log, catalog, store, now = Date.now() } = parts;
  await catalog.refresh();
  const generations = concerned(catalog, new Set(topics));
  const inputs = new Set([...topics, ...generations.map((g) => g.input)]);
  const retention = await log.tombstoneRetention([...inputs]);
  const warnings = [...retention]
    .filter(([, ms]) => ms < shortMs)
    .map(([topic, ms]) => `${topic} keeps tombstones for ${span(ms)} only: ${raise}.`);
  for (const entry of generations) {
    const keeps = retention.get(entry.input);
    if (keeps === undefined) continue;
    const { exists, partitions } = await progressOf(entry, log, store);
    const behind = exists ? partitions.filter((p) => p.next < p.end) : [];
    let oldest = now;
    for (const { partition, next } of behind)
      oldest = Math.min(oldest, await writtenAt({ topic: entry.input, partition, next }, parts));
    if ((now - oldest) * 2 <= keeps) continue;
    warnings.push(
      `${entry.view} g${entry.generation} is ${span(now - oldest)} behind, and ${entry.input} keeps tombstones for ` +
        `${span(keeps)}: let it catch up, or rebuild it; ${raise}.`,
    );
  }
  return warnings;
}

const raise = 'raise delete.retention.ms, or a view that lags longer misses deletions';

/** When the first record at or behind an offset was written; now when there is none. */
async function writtenAt(
  at: { topic: string; partition: number; next: Offset },
  { log, signal, now = Date.now() }: RetentionParts,
): Promise<number> {
  const from = new Map([[partitionKey(at.topic, at.partition), at.next]]);
  for await (const { records } of readToEnd(log, [at.topic], { from, signal }))
    if (records[0]) return records[0].timestamp;
  return now;
}

function span(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1_000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
