import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import type { Log, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import type { Place, PlaceKind } from './place.ts';
import type { LookedAt, Sought, Tracer } from './target.ts';

/** What was found in one place: how much was read, and traces of each erasure. */
export interface Look {
  readonly kind: PlaceKind;
  readonly name: string;
  readonly read: number;
  /** By whose name keys are hashed. */
  readonly origin: string;
  readonly traces: ReadonlyMap<string, number>;
  /** Rows of a view under keys that rows of an erasure had long before, by erasure. */
  readonly former: ReadonlyMap<string, number>;
  /** Erasures of which a value was found that is under no key of theirs. */
  readonly valued: ReadonlySet<string>;
  /** Tombstones whose key holds a value that was a subject's alone, by erasure, and those values. */
  readonly named: ReadonlyMap<string, number>;
  readonly names: ReadonlySet<string>;
  /** Columns of the newest key, by the origin's names; null where there was none. */
  readonly key: readonly string[] | null;
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
  /** Its rows are those of the origin, with the table's columns. */
  readonly whole: boolean;
}

/**
 * Reads a topic from its first record to its end. A trace is a record with a value under an erased key, one that
 * tells what a row of the subject was before, or one with a value that was the subject's alone. Tombstones hold no more than the key, which a later compaction takes
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
  let newestKey: Row | null = null;
  for await (const batch of readToEnd(log, [place.topic], { signal }))
    for (const record of batch.records) {
      read++;
      if (record.value === null) {
        const key = record.key && (await reader.read(record.key));
        if (!key) continue;
        newestKey = key;
        for (const value of tracer.valuesIn(key)) names.add(value);
        for (const erasure of tracer.ofValues(key)) named.set(erasure, (named.get(erasure) ?? 0) + 1);
        continue;
      }
      const found = await tracesIn(record, { reader, place, tracer });
      if (found === null) unreadable++;
      else count(found, traces, valued);
      if (found?.key) newestKey = found.key;
    }
  const { kind, topic: name, origin } = place;
  for (const erasure of named.keys()) valued.add(erasure);
  const former = new Map<string, number>();
  const key = newestKey && Object.keys(asInOrigin(place, newestKey));
  return { kind, name, origin, read, traces, former, valued, named, names, key, unreadable };
}

/** The erasures that a key of this topic belongs to: it is known by the origin's names. */
export const ofKeyIn = (place: TopicToLookAt, key: Row, tracer: Tracer): readonly string[] =>
  tracer.ofKey(place.origin, asInOrigin(place, key));

/** The erasures that a record is a trace of by its key, or by what its row was before: see `Tracer.ofEarlier`. */
export function ofRecordIn(
  place: TopicToLookAt,
  { key, row, headers }: LookedAt,
  tracer: Tracer,
): readonly string[] {
  const named = key && asInOrigin(place, key);
  const erased = named ? tracer.ofKey(place.origin, named) : [];
  const earlier = tracer.ofEarlier(place.origin, { key: named, row: place.whole ? row : null, headers });
  return earlier.length === 0 ? erased : [...new Set([...erased, ...earlier])];
}

const asInOrigin = (place: TopicToLookAt, key: Row): Row =>
  Object.fromEntries(Object.entries(key).map(([name, value]) => [place.key[name] ?? name, value]));

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
): Promise<(Traces & { readonly key: Row | null }) | null> {
  const { reader, place, tracer } = parts;
  const bytes = place.kind === 'dead letters' ? originalKey(record) : record.key;
  const key = bytes && (await reader.read(bytes));
  const row = record.value && (await reader.read(record.value));
  if (!key && !row) {
    const byValue = tracer.ofValues({ key: bytes, value: record.value });
    return byValue.length > 0 ? { key, byKey: [], byValue } : null;
  }
  const { headers } = record;
  return {
    key,
    byKey: ofRecordIn(place, { key, row, headers }, tracer),
    byValue: row ? tracer.ofValues(row) : [],
  };
}

function originalKey(record: StoredRecord): Buffer | null {
  const header = record.headers['dlq.key'];
  return header === undefined ? null : Buffer.from(header);
}

/** Why nothing can be said of rows that were only overwritten, once nobody knows their values any more. */
const forgotten =
  'Nothing is known any more by which rows that were overwritten could be told: erase the same subject again in one go with --wait.';
const notCompared =
  'Records of rows that were the subject’s before cannot be told, since values of the column that refers to it are not always written alike.';
const otherKey =
  'It is not keyed by the whole key of the table, so that rows are known neither by key nor kept out: give the view the whole key.';
const reused = (rows: number) =>
  `${rows} rows have keys that rows of the subject had before these were deleted: look whose they are.`;
export const tombstonesRemain =
  'tombstones are keyed by a value of the subject, and stay until a compaction after delete.retention.ms (24 h by default).';

/** True when what is known would tell every record of the subject, of whatever time. */
const tellsRecords = ({ keys, values, owners, overwritten }: Sought): boolean =>
  values || (overwritten === 'some' ? false : keys || owners === 'all' || overwritten === 'all');

/** True when it would tell every row of a view: one that was overwritten has its key, so only its texts do. */
const tellsRows = ({ keys, values, owners, overwritten, texts }: Sought): boolean =>
  (keys || values || owners === 'all') &&
  (overwritten === 'none' || texts || (overwritten === 'some' && values));

/** A look as the state of a place, for one erasure. `originKey` are the columns of the key at the origin. */
export function placeOf(
  look: Look,
  erasure: string,
  tracer: Tracer,
  originKey: readonly string[] | null = null,
): Place {
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
  if (look.key && originKey?.some((name) => !look.key!.includes(name))) return unverifiable(otherKey);
  const sought = tracer.sought(erasure, look.origin);
  const former = look.former.get(erasure) ?? 0;
  if (former > 0) return unverifiable(reused(former));
  if (sought.owners === 'some') return unverifiable(notCompared);
  if (!(kind === 'generation' ? tellsRows(sought) : tellsRecords(sought))) return unverifiable(forgotten);
  return { kind, name, read, at, state: 'verified', reason: 'Read from beginning to end: not there.' };
}
