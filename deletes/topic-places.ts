import type { Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { deletesTopic, deletesTopicSpec } from './deletes-topic.ts';
import type { Erasure } from './journal.ts';
import { type Place, settled } from './place.ts';

/**
 * Where deletes were asked for over the Log, whose requests hold keys: compacted, and read back for those of these
 * erasures. Nothing where nobody uses that.
 */
export async function requestPlaces(
  erasures: readonly Erasure[],
  { log, namespace, signal }: { log: Log; namespace: string; signal: AbortSignal },
): Promise<ReadonlyMap<string, Place>> {
  const topic = deletesTopic(namespace);
  const ids = new Set(erasures.filter((e) => e.kind === 'topic').map((e) => e.id));
  if (ids.size === 0 || !(await log.partitions([topic])).has(topic)) return new Map();
  const compacted = await log.tombstoneRetention([topic]);
  await log.compact([...compacted.keys()], { signal });
  let read = 0;
  const there = new Set<string>();
  for await (const { records } of readToEnd(log, [topic], { signal }))
    for (const { key, value } of records) {
      read++;
      if (key && value && ids.has(key.toString())) there.add(key.toString());
    }
  const place = { kind: 'topic', name: topic, read, at: Date.now() } as const;
  const mend =
    compacted.size > 0
      ? 'a daemon with `deletes` in its config removes it'
      : `the topic must have cleanup.policy=${deletesTopicSpec(namespace).cleanup}`;
  return new Map(
    [...ids].map((id) => [
      id,
      there.has(id)
        ? { ...place, state: 'applied', reason: `The request itself is still there: ${mend}.` }
        : { ...place, state: 'verified', reason: 'Read from beginning to end: the request is not there.' },
    ]),
  );
}

/** True when all traces that are left are records that no compaction takes away: looking again at once is in vain. */
export async function waitsForRetention(
  lists: Iterable<readonly Place[]>,
  log: Pick<Log, 'tombstoneRetention'>,
): Promise<boolean> {
  const left = [...lists].flat().filter((place) => !settled([place]));
  const topics = new Set(left.filter((p) => p.kind === 'topic').map((p) => p.name));
  if (topics.size === 0) return false;
  const compacted = await log.tombstoneRetention([...topics]);
  return left.every((p) => p.kind === 'topic' && p.state === 'applied' && !compacted.has(p.name));
}

/**
 * What is said of records that no compaction takes away. Where values are encrypted with keys of their subjects they
 * may be unreadable, but that cannot be seen on them, so it is not called verified.
 */
export function uncompacted(place: Place, shredded: boolean): Place {
  if (place.state !== 'applied') return place;
  const why = `${place.reason} The topic is not compacted, so they stay until its retention is over`;
  return shredded
    ? {
        ...place,
        state: 'unverifiable',
        reason: `${why}; only what was encrypted with the destroyed key of the subject is unreadable.`,
      }
    : {
        ...place,
        reason: `${why}, and the certificate until then; or encrypt by subject (docs/erasure.md).`,
      };
}
