import type { Row } from '../core/value.ts';
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
  /** By whose name keys are hashed. */
  readonly origin: string;
  readonly traces: ReadonlyMap<string, number>;
  /** Erasures of which a value was found that is under no key of theirs. */
  readonly valued: ReadonlySet<string>;
  /** Tombstones whose key holds a value that was a subject's alone, by erasure, and those values. */
  readonly named: ReadonlyMap<string, number>;
  readonly names: ReadonlySet<string>;
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
 * with a value that was the subject's alone. Tombstones hold no more than the key, which a later compaction takes
 * away; those whose key tells the subject are counted.
 */
export async function lookAtTopic(
  log: Log,
  place: TopicToLookAt,
  parts: { tracer: Tracer; signal: AbortSignal },
): Promise<Look> {
  const { tracer, signal } = parts;
  const reader = new AnyReader(log.schemas);
  const traces = new Map<string, number>();
  const named = new Map<string, number>();
  const names = new Set<string>();
  const valued = new Set<string>();
  let read = 0;
  let unreadable = 0;
  for await (const batch of readToEnd(log, [place.topic], { signal }))
    for (const record of batch.records) {
      read++;
      if (record.value === null) {
        const key = record.key && (await reader.read(record.key));
        if (!key) continue;
        for (const value of tracer.valuesIn(key)) names.add(value);
        for (const erasure of tracer.ofValues(key)) named.set(erasure, (named.get(erasure) ?? 0) + 1);
        continue;
      }
      const found = await tracesIn(record, { reader, place, tracer });
      if (found === null) unreadable++;
      else count(found, traces, valued);
    }
  const { kind, topic: name, origin } = place;
  for (const erasure of named.keys()) valued.add(erasure);
  return { kind, name, origin, read, traces, valued, named, names, unreadable };
}

/** The erasures that a key of this topic belongs to: it is known by the origin's names. */
export function ofKeyIn(place: TopicToLookAt, key: Row, tracer: Tracer): readonly string[] {
  const named = Object.fromEntries(
    Object.entries(key).map(([name, value]) => [place.key[name] ?? name, value]),
  );
  return tracer.ofKey(place.origin, named);
}

/** Erasures that a record or a row is a trace of: by its key, and by values in it. */
export interface Traces {
  readonly byKey: readonly string[];
  readonly byValue: readonly string[];
}

/** Counts a record or row for each erasure that it is a trace of. */
export function count({ byKey, byValue }: Traces, traces: Map<string, number>, valued: Set<string>): void {
  for (const erasure of new Set([...byKey, ...byValue])) traces.set(erasure, (traces.get(erasure) ?? 0) + 1);
  for (const erasure of byValue) if (!byKey.includes(erasure)) valued.add(erasure);
}

/** Null when neither key nor value can be read, and their bytes tell nothing either. */
async function tracesIn(
  record: StoredRecord,
  parts: { reader: AnyReader; place: TopicToLookAt; tracer: Tracer },
): Promise<Traces | null> {
  const { reader, place, tracer } = parts;
  const bytes = place.kind === 'dead letters' ? originalKey(record) : record.key;
  const key = bytes && (await reader.read(bytes));
  const row = record.value && (await reader.read(record.value));
  if (!key && !row) {
    const byValue = tracer.ofValues({ key: bytes, value: record.value });
    return byValue.length > 0 ? { byKey: [], byValue } : null;
  }
  return { byKey: key ? ofKeyIn(place, key, tracer) : [], byValue: row ? tracer.ofValues(row) : [] };
}

function originalKey(record: StoredRecord): Buffer | null {
  const header = record.headers['dlq.key'];
  return header === undefined ? null : Buffer.from(header);
}

/** Why nothing can be said of rows that were only overwritten, once nobody knows their values any more. */
const forgotten =
  'No key was deleted here, and no value is known any more: erase the same subject again in one go with --wait.';
export const tombstonesRemain =
  'tombstones are keyed by a value of the subject, and stay until a compaction after delete.retention.ms (24 h by default).';

/** A look as the state of a place, for one erasure. */
export function placeOf(look: Look, erasure: string, tracer: Tracer): Place {
  const { kind, name, read } = look;
  const at = Date.now();
  const traces = look.traces.get(erasure) ?? 0;
  const named = look.named.get(erasure) ?? 0;
  const seen = look.valued.has(erasure) ? { valueSeenAt: at } : {};
  const unverifiable = (reason: string): Place => ({
    kind,
    name,
    read,
    at,
    ...seen,
    state: 'unverifiable',
    reason,
  });
  if (traces > 0)
    return { kind, name, read, at, ...seen, state: 'applied', reason: `${traces} of ${read} still hold it.` };
  if (look.unreadable > 0)
    return unverifiable(
      `${look.unreadable} of ${read} cannot be decoded; look at them with \`insideout dlq\` and remove them.`,
    );
  if (named > 0) return unverifiable(`No row is there, but ${named} ${tombstonesRemain}`);
  if (!tracer.looksFor(erasure, look.origin)) return unverifiable(forgotten);
  return { kind, name, read, at, state: 'verified', reason: 'Read from beginning to end: not there.' };
}
