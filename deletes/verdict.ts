import type { Place, PlaceKind } from './place.ts';
import type { Sought } from './target.ts';
import type { Tracer } from './tracer.ts';

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
  /** Dead letters and truncated records that tell an id which nobody has now, or had then: see `FormerIds`. */
  readonly unclaimed: ReadonlyMap<string, number>;
  /** Records of rows that a TRUNCATE deleted, where only rows that may be gone as well say whose they were. */
  readonly truncated: ReadonlyMap<string, number>;
}

export const none: ReadonlyMap<string, number> = new Map();

/** Counts one for each of the erasures. */
export function add(erasures: Iterable<string>, counts: Map<string, number>): void {
  for (const erasure of erasures) counts.set(erasure, (counts.get(erasure) ?? 0) + 1);
}

/** Why nothing can be said of rows that were only overwritten, once nobody knows their values any more. */
const forgotten =
  'Nothing is known any more by which rows that were overwritten could be told: erase the same subject again in one go with --wait.';
const notCompared =
  'Records of rows that were the subject’s before cannot be told: values of the column that refers to it are not always written alike, or under --track the application may give away what they hang on.';
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
  unclaimed:
    'are of before the erasure and tell an id that no row has now, or that a row got later: it may have been the subject’s, before its id was changed. Of dead letters, look at them with `insideout dlq` and remove them.',
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
