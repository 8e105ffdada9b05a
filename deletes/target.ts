import type { OverwrittenText } from '../connectors/source/erasure.ts';
import type { SourcePoint } from '../connectors/source/point.ts';
import type { Row } from '../core/value.ts';
import type { Headers } from '../log/log.ts';
import { hashesByTopic } from './hash-lists.ts';
import type { Erasure, OverwrittenKeys, OwnedBefore } from './journal.ts';

/** Texts that rows had before they were overwritten, by topic and by the hash of the row's key: see `SubjectRows`. */
export type OverwrittenTexts = ReadonlyMap<string, ReadonlyMap<string, readonly OverwrittenText[] | null>>;

/** What only the process knows that began an erasure, as it is never stored. */
export interface KnownValues {
  /** Values that were the subject's alone, to be searched for everywhere. */
  readonly telling: readonly string[];
  readonly texts: OverwrittenTexts;
}

export const nothingKnown: KnownValues = { telling: [], texts: new Map() };

/** What is known after the same subject was erased twice by one process. */
export const joinedValues = (some: KnownValues, more: KnownValues): KnownValues => ({
  telling: [...new Set([...some.telling, ...more.telling])],
  texts: joinedTexts([some.texts, more.texts]),
});

/** All of them: a row that was overwritten twice had the texts of both times. */
function joinedTexts(lists: readonly OverwrittenTexts[]): OverwrittenTexts {
  const all = new Map<string, Map<string, readonly OverwrittenText[] | null>>();
  for (const list of lists)
    for (const [topic, rows] of list) {
      const ofTopic = all.get(topic) ?? new Map();
      all.set(topic, ofTopic);
      for (const [hash, texts] of rows) {
        const before = ofTopic.get(hash);
        ofTopic.set(hash, before === null || texts === null ? null : [...(before ?? []), ...texts]);
      }
    }
  return all;
}

/** What is looked for of one erasure. */
export interface Target extends KnownValues {
  readonly erasure: string;
  /** Hashes of the keys whose rows must be gone, by topic. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  /** Keys of rows that were overwritten: records of before that must be gone. */
  readonly overwritten: readonly OverwrittenKeys[];
  /** Keys of rows that had been deleted before. */
  readonly former: readonly OverwrittenKeys[];
  readonly owners: readonly OwnedBefore[];
  /** The latest of all points; null where nothing is known of before. */
  readonly point: SourcePoint | null;
}

export function targetOf(erasure: Erasure, known: KnownValues = nothingKnown): Target {
  const { id, keys, overwritten, former, owners, point } = erasure;
  return { erasure: id, keys: hashesByTopic(keys), overwritten, former, owners, point, ...known };
}

/** A record as it is looked at: its key, and its row where that has the columns of the table, by the origin's names. */
export interface LookedAt {
  readonly key: Row | null;
  readonly row: Row | null;
  readonly headers: Headers;
}

/** What a row of a view tells of erasures. */
export interface RowTraces {
  readonly byKey: readonly string[];
  /** Erasures of which a value is in it that was the subject's, or that was overwritten. */
  readonly byValue: readonly string[];
  /** Its key is one that a row of the subject had; that row was deleted long before, so it may be somebody else's. */
  readonly former: readonly string[];
  /** A text that was overwritten is in a column of another name, where it may be by chance. */
  readonly elsewhere: readonly string[];
}

/** What a record tells of before. */
export interface Earlier {
  readonly found: readonly string[];
  readonly orphans: readonly string[];
}

/** What of an erasure is known in a topic, so that something can be said of what is found or not found there. */
export interface Sought {
  keys: boolean;
  values: boolean;
  /** `some`: the keys of rows that were overwritten are not known. */
  overwritten: 'none' | 'some' | 'all';
  /** `some`: a column is among them whose values cannot be compared. */
  owners: 'none' | 'some' | 'all';
  /** Of every row that was overwritten it is known what it had before. */
  texts: boolean;
}
