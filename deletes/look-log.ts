import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Headers, Log, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import type { Place, PlaceKind } from './place.ts';
import type { Earlier, LookedAt, Sought, Tracer } from './target.ts';

/** What may be a trace of an erasure and may be none, by erasure. */
export interface Doubts {
  /** Rows of a view under keys that rows of the subject had long before. */
  readonly former: ReadonlyMap<string, number>;
  /** Rows of a view with a text that was overwritten, in another column. */
  readonly elsewhere: ReadonlyMap<string, number>;
  /** Records of rows that refer to one that had been deleted before. */
  readonly orphans: ReadonlyMap<string, number>;
  /** Dead letters of which nobody can tell whose they were. */
  readonly unknown: ReadonlyMap<string, number>;
  /** Records of rows that a TRUNCATE deleted, where only rows that may be gone as well say whose they were. */
  readonly truncated: ReadonlyMap<string, number>;
}

export const none: ReadonlyMap<string, number> = new Map();

export function add(erasures: readonly string[], counts: Map<string, number>): void {
  for (const erasure of erasures) counts.set(erasure, (counts.get(erasure) ?? 0) + 1);
}

/** What was found in one place: how much was read, and traces of each erasure. */
export interface Look {
  readonly kind: PlaceKind;
  readonly name: string;
  readonly read: number;
  /** By whose name keys are hashed. */
  readonly origin: string;
  readonly traces: ReadonlyMap<string, number>;
  readonly doubts: Doubts;
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
        for (const erasure of tracer.ofValues(key)) named.set(erasure, (named.get(erasure) ?? 0) + 1);
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
  for (const erasure of new Set([...byKey, ...byValue])) traces.set(erasure, (traces.get(erasure) ?? 0) + 1);
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

/** Why nothing can be said of rows that were only overwritten, once nobody knows their values any more. */
const forgotten =
  'Nothing is known any more by which rows that were overwritten could be told: erase the same subject again in one go with --wait.';
const notCompared =
  'Records of rows that were the subject’s before cannot be told, since values of the column that refers to it are not always written alike.';
const otherKey =
  'It is not keyed by the whole key of the table, so that rows are known neither by key nor kept out: give the view the whole key.';
const doubtful: Readonly<Record<keyof Doubts, string>> = {
  former: 'have keys that rows of the subject had before these were deleted: look whose they are.',
  elsewhere: 'hold a text that was overwritten, in a column of another name: look whether it tells anybody.',
  orphans:
    'refer to rows of the subject that were deleted before, and are still there: the database has them, or somebody else does.',
  truncated:
    'are of rows that a TRUNCATE deleted, which leaves them in the Log, and nothing in them says whose they were.',
  unknown:
    'are of before the erasure, and nothing in them says whose they were: look at them with `insideout dlq` and remove them.',
};
export const tombstonesRemain =
  'tombstones are keyed by a value of the subject, and stay until a compaction after delete.retention.ms (24 h by default).';

/** True when what is known would tell every record of the subject, of whatever time. */
const tellsRecords = ({ keys, values, owners, overwritten }: Sought): boolean =>
  overwritten !== 'some' && (keys || values || owners === 'all' || overwritten === 'all');

/** True when it would tell every row of a view: one that was overwritten has its key, so only its texts do. */
const tellsRows = ({ keys, values, owners, overwritten, texts }: Sought): boolean =>
  (keys || values || owners === 'all') && (overwritten === 'none' || texts);

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
  for (const [doubt, why] of Object.entries(doubtful)) {
    const count = look.doubts[doubt as keyof Doubts].get(erasure) ?? 0;
    if (count > 0) return unverifiable(`${count} of ${read} ${why}`);
  }
  if (sought.owners === 'some') return unverifiable(notCompared);
  if (!(kind === 'generation' ? tellsRows(sought) : tellsRecords(sought))) return unverifiable(forgotten);
  return { kind, name, read, at, state: 'verified', reason: 'Read from beginning to end: not there.' };
}
