import { AnyReader } from '../log/avro/any-reader.ts';
import type { Log, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import type { Place, PlaceKind } from './place.ts';
import type { Tracer } from './target.ts';

/** What was found in one place: how much was read, and traces of each erasure. */
export interface Look {
  readonly kind: PlaceKind;
  readonly name: string;
  readonly read: number;
  readonly traces: ReadonlyMap<string, number>;
  /** Records that could not be read, so that nobody knows whose they are. */
  readonly unreadable: number;
}

/** A topic to look through, and the topic at its origin, by whose name keys are hashed. */
export interface TopicToLookAt {
  readonly kind: Extract<PlaceKind, 'topic' | 'view topic' | 'dead letters'>;
  readonly topic: string;
  readonly origin: string;
  /** The topic's key columns as the origin's, where they have other names. */
  readonly key: Readonly<Record<string, string>>;
}

/**
 * Reads a topic from its first record to its end. A trace is a record with a value under an erased key, or one
 * with a value that was the subject's alone. Tombstones hold no more than the key, which compaction takes away.
 */
export async function lookAtTopic(
  log: Log,
  place: TopicToLookAt,
  parts: { tracer: Tracer; signal: AbortSignal },
): Promise<Look> {
  const { tracer, signal } = parts;
  const reader = new AnyReader(log.schemas);
  const traces = new Map<string, number>();
  let read = 0;
  let unreadable = 0;
  for await (const batch of readToEnd(log, [place.topic], { signal }))
    for (const record of batch.records) {
      read++;
      if (record.value === null) continue;
      const found = await tracesIn(record, { reader, place, tracer });
      if (found === null) unreadable++;
      else for (const erasure of found) traces.set(erasure, (traces.get(erasure) ?? 0) + 1);
    }
  return { kind: place.kind, name: place.topic, read, traces, unreadable };
}

/** Null when neither key nor value can be read. */
async function tracesIn(
  record: StoredRecord,
  parts: { reader: AnyReader; place: TopicToLookAt; tracer: Tracer },
): Promise<ReadonlySet<string> | null> {
  const { reader, place, tracer } = parts;
  const bytes = place.kind === 'dead letters' ? originalKey(record) : record.key;
  const key = bytes && (await reader.read(bytes));
  const row = record.value && (await reader.read(record.value));
  if (!key && !row) return null;
  const found = new Set<string>();
  if (key) {
    const named = Object.fromEntries(
      Object.entries(key).map(([name, value]) => [place.key[name] ?? name, value]),
    );
    for (const erasure of tracer.ofKey(place.origin, named)) found.add(erasure);
  }
  if (row) for (const erasure of tracer.ofValues(row)) found.add(erasure);
  return found;
}

function originalKey(record: StoredRecord): Buffer | null {
  const header = record.headers['dlq.key'];
  return header === undefined ? null : Buffer.from(header);
}

/** A look as the state of a place, for one erasure. */
export function placeOf(look: Look, erasure: string, now: number): Place {
  const { kind, name, read } = look;
  const traces = look.traces.get(erasure) ?? 0;
  if (traces > 0)
    return { kind, name, read, at: now, state: 'applied', reason: `${traces} of ${read} still hold it.` };
  if (look.unreadable > 0)
    return {
      kind,
      name,
      read,
      at: now,
      state: 'unverifiable',
      reason: `${look.unreadable} of ${read} cannot be decoded; look at them with \`insideout dlq\` and remove them.`,
    };
  return { kind, name, read, at: now, state: 'verified', reason: `Read from beginning to end: not there.` };
}
