import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Headers, Log, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import type { PlaceKind } from './place.ts';
import type { Earlier, LookedAt } from './target.ts';
import type { Tracer } from './tracer.ts';
import { add, type Look, none } from './verdict.ts';

/** A topic to look through, and the topic at its origin, by whose name keys are hashed. */
export interface TopicToLookAt {
  readonly kind: Extract<PlaceKind, 'topic' | 'view topic' | 'dead letters'>;
  readonly topic: string;
  readonly origin: string;
  /** The topic's key columns as the origin's, where they have other names. */
  readonly key: Readonly<Record<string, string>>;
  /** Its rows are those of the origin, with the table's columns. */
  readonly whole: boolean;
}

/**
 * Reads a topic from its first record to its end. A trace is a record with a value under an erased key, one that
 * tells what a row of the subject was before, or one with a value that was the subject's alone. Tombstones hold no
 * more than the key, which a later compaction takes away; those whose key tells the subject are counted.
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
  let newestKey: Row | null = null;
  /** Records before a TRUNCATE of their partition: it is compacted, so they are the newest of their keys. */
  let dead = 0;
  const alive = new Map<number, number>();
  const orphans = new Map<string, number>();
  const unknown = new Map<string, number>();
  for await (const batch of readToEnd(log, [place.topic], { signal }))
    for (const record of batch.records) {
      read++;
      if (isTruncate(record)) {
        dead += alive.get(batch.partition) ?? 0;
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
      const found = await tracesIn(record, { reader, place, tracer });
      if (found === null) unreadable++;
      else {
        count(found, traces, valued);
        add(found.orphans, orphans);
        add(found.unknown, unknown);
      }
      if (found?.key) newestKey = found.key;
    }
  const { kind, topic: name, origin } = place;
  for (const erasure of named.keys()) valued.add(erasure);
  const referring = kind === 'topic' && dead > 0 ? tracer.referring(origin) : [];
  const truncated = new Map(referring.map((erasure) => [erasure, dead]));
  const doubts = { former: none, elsewhere: none, orphans, unknown, truncated };
  const key = newestKey && Object.keys(asInOrigin(place, newestKey));
  return { kind, name, origin, read, traces, doubts, valued, named, names, key, unreadable };
}

/** What a record is a trace of by its key, or by what its row was before: see `Tracer.ofEarlier`. */
export function ofRecordIn(place: TopicToLookAt, record: LookedAt, tracer: Tracer): Earlier {
  const key = record.key && asInOrigin(place, record.key);
  const erased = key ? tracer.ofKey(place.origin, key) : [];
  const { found, orphans } = tracer.ofEarlier(place.origin, ownRow(place, { ...record, key }));
  return { found: found.length === 0 ? erased : [...new Set([...erased, ...found])], orphans };
}

/** Its row only where that has the columns of the origin. */
const ownRow = (place: TopicToLookAt, record: LookedAt): LookedAt =>
  place.whole ? record : { ...record, row: null };

/** The erasures of which a row is back, or was never told to be gone: its record is of an erased or of a former key. */
export const ofDeadIn = (
  place: TopicToLookAt,
  key: Row,
  headers: Headers,
  tracer: Tracer,
): readonly string[] => tracer.ofDead(place.origin, asInOrigin(place, key), headers);

const asInOrigin = (place: TopicToLookAt, key: Row): Row =>
  Object.fromEntries(Object.entries(key).map(([name, value]) => [place.key[name] ?? name, value]));

/** Erasures that a record or a row is a trace of: by its key, and by values in it. */
export interface Traces {
  readonly byKey: readonly string[];
  readonly byValue: readonly string[];
}

interface RecordTraces extends Traces {
  readonly key: Row | null;
  readonly orphans: readonly string[];
  /** Of which it cannot be told whether it is a trace. */
  readonly unknown: readonly string[];
}

/** Counts a record or row for each erasure that it is a trace of. */
export function count({ byKey, byValue }: Traces, traces: Map<string, number>, valued: Set<string>): void {
  add(new Set([...byKey, ...byValue]), traces);
  for (const erasure of byValue) if (!byKey.includes(erasure)) valued.add(erasure);
}

/** Null when neither key nor value can be read, and their bytes tell nothing either. */
async function tracesIn(
  record: StoredRecord,
  parts: { reader: AnyReader; place: TopicToLookAt; tracer: Tracer },
): Promise<RecordTraces | null> {
  const { reader, place, tracer } = parts;
  const bytes = place.kind === 'dead letters' ? originalKey(record) : record.key;
  const key = bytes && (await reader.read(bytes));
  const row = record.value && (await reader.read(record.value));
  if (!key && !row) {
    const byValue = tracer.ofValues({ key: bytes, value: record.value });
    return byValue.length > 0 ? { key, byKey: [], byValue, orphans: [], unknown: [] } : null;
  }
  const { headers } = record;
  const { found, orphans } = ofRecordIn(place, { key, row, headers }, tracer);
  const letters = place.kind === 'dead letters';
  return {
    key,
    // Of a letter nothing is known by its row being there: it is removed, whatever it refers to.
    byKey: letters ? [...found, ...orphans] : found,
    byValue: row ? tracer.ofValues(row) : [],
    orphans: letters ? [] : orphans,
    unknown:
      letters && !isEmpty(record) ? tracer.ofUnknown(place.origin, ownRow(place, { key, row, headers })) : [],
  };
}

/** A tombstone, or a record that was too large to be kept. */
const isEmpty = ({ headers }: StoredRecord): boolean => headers['dlq.value'] !== undefined;

function originalKey(record: StoredRecord): Buffer | null {
  const header = record.headers['dlq.key'];
  return header === undefined ? null : Buffer.from(header);
}
