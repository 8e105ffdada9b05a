import type { Row } from '../core/value.ts';
import type { AnyReader } from '../log/avro/any-reader.ts';
import type { Headers, StoredRecord } from '../log/log.ts';
import type { PlaceKind } from './place.ts';
import type { Earlier, LookedAt } from './target.ts';
import type { Tracer } from './tracer.ts';

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

/** Erasures that a record or a row is a trace of: by its key, and by values in it. */
export interface Traces {
  readonly byKey: readonly string[];
  readonly byValue: readonly string[];
}

export interface RecordTraces extends Traces {
  readonly key: Row | null;
  /** Erasures of which its row refers to one that had been deleted before; of a dead letter these are in `byKey`. */
  readonly orphans: readonly string[];
  /** Of which it cannot be told whether it is a trace. */
  readonly unknown: readonly string[];
  /** Of a dead letter: what `FormerIds` is to be asked about, since it tells an id. Null for all others. */
  readonly telling: LookedAt | null;
}

/** A record of the place; of a dead letter what was set aside. */
export type RecordLookedAt = Pick<StoredRecord, 'key' | 'value' | 'headers'>;

/**
 * What a record with a value, or a dead letter, is a trace of: by its key, by what its row was before, and by values
 * in either, which are searched for in the bytes of what cannot be decoded. Who looks and who removes both ask here,
 * so that what is removed is what would be called a trace, no more and no less. Null when nothing was found in a
 * record that nobody can tell whose it is, since its key cannot be decoded, or neither part of one without a key.
 */
export async function tracesIn(
  { key: keyBytes, value, headers }: RecordLookedAt,
  { reader, place, tracer }: { reader: AnyReader; place: TopicToLookAt; tracer: Tracer },
): Promise<RecordTraces | null> {
  const key = keyBytes && (await reader.read(keyBytes));
  const row = value && (await reader.read(value));
  const { found, orphans } = ofRecordIn(place, { key, row, headers }, tracer);
  const letter = place.kind === 'dead letters';
  // Of a letter nothing is known by its row being there: it is removed, whatever it refers to.
  const byKey = letter ? [...found, ...orphans] : found;
  const inKey = tracer.ofValues(key ?? { bytes: keyBytes });
  const inRow = tracer.ofValues(row ?? { bytes: value });
  const byValue = inKey.length === 0 ? inRow : [...new Set([...inKey, ...inRow])];
  if (!key && (keyBytes || !row) && byKey.length + byValue.length + orphans.length === 0) return null;
  const own = ownRow(place, { key, row, headers });
  return {
    key,
    byKey,
    byValue,
    orphans: letter ? [] : orphans,
    unknown: letter && value ? tracer.ofUnknown(place.origin, own) : [],
    // Of a delete the key may be the id.
    telling: letter ? { ...own, row: own.row ?? (key && asInOrigin(place, key)) } : null,
  };
}

/** True when it is a trace of any of the erasures. */
export const isTrace = (traces: Traces | null): boolean =>
  traces !== null && traces.byKey.length + traces.byValue.length > 0;

/** What a record is a trace of by its key, or by what its row was before: see `Tracer.ofEarlier`. */
function ofRecordIn(place: TopicToLookAt, record: LookedAt, tracer: Tracer): Earlier {
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

export const asInOrigin = (place: TopicToLookAt, key: Row): Row =>
  Object.fromEntries(Object.entries(key).map(([name, value]) => [place.key[name] ?? name, value]));
