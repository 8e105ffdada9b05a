import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { deadLetterIn } from '../materializer/apply/dead-letters.ts';
import { FormerIds, unclaimedBeforeTruncate } from './former-ids.ts';
import { asInOrigin, type TopicToLookAt, type Traces, tracesIn } from './record-traces.ts';
import type { Tracer } from './tracer.ts';
import { add, type Look, none } from './verdict.ts';

/**
 * Reads a topic from its first record to its end. A trace is a record with a value under an erased key, one that
 * tells what a row of the subject was before, or one with a value that was the subject's alone. Tombstones hold no
 * more than the key, which a later compaction takes away; those whose key tells the subject are counted. `origin` is
 * how the topic was found that a view topic comes from.
 */
export async function lookAtTopic(
  log: Log,
  place: TopicToLookAt,
  parts: { tracer: Tracer; signal: AbortSignal; origin?: Look | undefined },
): Promise<Look> {
  const { tracer, signal } = parts;
  const reader = new AnyReader(log.schemas);
  const traces = new Map<string, number>();
  const named = new Map<string, number>();
  const names = new Set<string>();
  const valued = new Set<string>();
  let read = 0;
  let unreadable = 0;
  let newestKey: Row | null = null;
  /** Records before a TRUNCATE of their partition: it is compacted, so they are the newest of their keys. */
  let dead = 0;
  const truncates = new Map<number, number>();
  const formerIds = new FormerIds({ log, tracer, signal });
  const alive = new Map<number, number>();
  const orphans = new Map<string, number>();
  const unknown = new Map<string, number>();
  for await (const batch of readToEnd(log, [place.topic], { signal }))
    for (const record of batch.records) {
      read++;
      if (isTruncate(record)) {
        dead += alive.get(batch.partition) ?? 0;
        truncates.set(batch.partition, record.offset);
        alive.set(batch.partition, 0);
        continue;
      }
      if (record.value === null) {
        const key = record.key && (await reader.read(record.key));
        if (!key) continue;
        newestKey = key;
        for (const value of tracer.valuesIn(key)) names.add(value);
        add(tracer.ofValues(key), named);
        continue;
      }
      alive.set(batch.partition, (alive.get(batch.partition) ?? 0) + 1);
      const lookedAt = place.kind === 'dead letters' ? deadLetterIn(record) : record;
      const found = await tracesIn(lookedAt, { reader, place, tracer });
      if (found === null) unreadable++;
      else {
        count(found, traces, valued);
        add(found.orphans, orphans);
        add(found.unknown, unknown);
        if (found.telling && found.byKey.length + found.byValue.length === 0)
          formerIds.add(place.origin, found.telling);
      }
      if (found?.key) newestKey = found.key;
    }
  const { kind, topic: name, origin } = place;
  for (const erasure of named.keys()) valued.add(erasure);
  const referring = kind !== 'dead letters' && dead > 0 ? tracer.referring(origin) : [];
  const truncated = new Map(referring.map((erasure) => [erasure, dead]));
  let unclaimed = await formerIds.unclaimed();
  if (dead > 0 && kind === 'topic')
    unclaimed = await unclaimedBeforeTruncate(name, truncates, { log, tracer, signal });
  // Its records do not tell whose they are, and come from those that do.
  if (dead > 0 && kind === 'view topic') unclaimed = new Map(parts.origin?.doubts.unclaimed);
  const doubts = { former: none, elsewhere: none, orphans, unknown, unclaimed, truncated };
  const key = newestKey && Object.keys(asInOrigin(place, newestKey));
  return { kind, name, origin, read, traces, doubts, valued, named, names, key, unreadable };
}

/** Counts a record or row for each erasure that it is a trace of. */
export function count({ byKey, byValue }: Traces, traces: Map<string, number>, valued: Set<string>): void {
  add(new Set([...byKey, ...byValue]), traces);
  for (const erasure of byValue) if (!byKey.includes(erasure)) valued.add(erasure);
}
