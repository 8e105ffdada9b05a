import { randomInt } from 'node:crypto';
import type { Generation } from '../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Row } from '../../core/value.ts';
import type { Key } from '../../core/view.ts';
import { candidatesIn, groupsOf } from './compare-candidates.ts';
import { rowHasher, sameHash } from './compare-hash.ts';
import { differingRanges, type Scope, summarize } from './compare-scan.ts';
import { type Settled, settle } from './compare-settle.ts';

export interface CompareOptions {
  /** Columns to compare, which both sides must have. Default: all that both have. The key always counts. */
  readonly columns?: readonly string[] | undefined;
  /** Most differences that are shown by their key. Default 10. */
  readonly examples?: number | undefined;
  /**
   * Key ranges that are summed up on their own. Default 65,536, which costs 1.5 MB: a key that was written while
   * the sides were read makes its range differ, and the fewer keys share it, the fewer are looked at again.
   */
  readonly ranges?: number | undefined;
  /** Most keys that are held in memory at a time. Default 200,000. */
  readonly budget?: number | undefined;
  /** Looking stops when more keys than this differ: the counts are lower bounds then. Default 100,000. */
  readonly limit?: number | undefined;
  /** How long keys that differ are read again before they are called different, in milliseconds. Default 5,000. */
  readonly settleMs?: number | undefined;
  /** Hashes are made with it; random unless a test wants a run that can be repeated. */
  readonly seed?: number | undefined;
  /** Is told the number of rows that were read so far, of both sides and all passes. */
  readonly progress?: ((rows: number) => void) | undefined;
  readonly signal: AbortSignal;
}

export interface Difference {
  /** Key values are personal data: to be shown to the operator who asks, never to be stored or logged. */
  readonly key: Key;
  readonly kind: 'onlyBlue' | 'onlyGreen' | 'changed';
  /** The columns that differ, of a changed row. */
  readonly columns: readonly string[];
}

export interface Comparison {
  /** Nothing differs, and nothing is undecided. */
  readonly equal: boolean;
  /** The columns that were compared. */
  readonly columns: readonly string[];
  /** Ranges in which counts or checksums differed at first, and how many of those were looked into. */
  readonly ranges: { readonly total: number; readonly different: number; readonly examined: number };
  /** Rows that the first pass read on each side. */
  readonly rows: { readonly blue: number; readonly green: number };
  readonly differences: {
    readonly onlyBlue: number;
    readonly onlyGreen: number;
    readonly changed: number;
    /** How many changed rows differ in each column; columns without any are left out. */
    readonly byColumn: Readonly<Record<string, number>>;
    readonly examples: readonly Difference[];
  };
  /** Keys that differed at first and were the same once both sides had applied the same. */
  readonly settled: number;
  /** Keys that both sides wrote so often that they were never met in the same state: neither same nor different. */
  readonly undecided: number;
  /** False when looking stopped at `limit`. */
  readonly complete: boolean;
  /** False when a side stood still behind the other, so that differences may only be what it had yet to apply. */
  readonly caughtUp: boolean;
}

/**
 * Compares the content of two generations of a view, of one store or of two, while both go on applying the same
 * changes. Every key that differs and is not written meanwhile is found (a miss needs a collision of 64-bit sums),
 * and none is invented: see `settle` for how a key that only one side has applied yet is told apart.
 *
 * Reads each side once, and once more for every `budget` of keys in ranges that differ. Holds ranges and at most
 * twice `budget` keys in memory, never the rows. Gives the event loop a turn about every millisecond.
 *
 * Errors: `VIEW_SHAPE` when the keys are not of the same columns or a wanted column is missing on one side, those
 * of the stores, and the signal's reason.
 */
export async function compareGenerations(
  blue: Generation,
  green: Generation,
  options: CompareOptions,
): Promise<Comparison> {
  const columns = comparable(blue, green, options.columns);
  const { budget = 200_000, limit = 100_000, settleMs = 5_000 } = options;
  let read = 0;
  const scope: Scope & { settleMs: number } = {
    key: blue.view.key,
    columns,
    ranges: options.ranges ?? 65_536,
    seed: options.seed ?? randomInt(2 ** 32),
    signal: options.signal,
    settleMs,
    read: (rows) => {
      read += rows;
      options.progress?.(read);
    },
  };
  const sides = [blue, green] as const;
  scope.signal.throwIfAborted();
  const summaries = await summarize(sides, scope);
  const different = differingRanges(...summaries);
  const tally = tallyOf(scope, options.examples ?? 10);
  let examined = 0;
  for (const group of groupsOf(different, summaries, budget)) {
    if (tally.found() > limit) break;
    tally.add(await settle(await candidatesIn(group, sides, scope), sides, scope));
    examined += group.length;
  }
  const result = tally.result();
  return {
    ...result,
    equal: tally.found() === 0 && result.undecided === 0,
    columns,
    ranges: { total: scope.ranges, different: different.length, examined },
    rows: { blue: summaries[0].rows, green: summaries[1].rows },
    complete: examined === different.length,
  };
}

function comparable(blue: Generation, green: Generation, wanted?: readonly string[]): string[] {
  const both = Object.keys(blue.view.columns).filter((name) => Object.hasOwn(green.view.columns, name));
  const refuse = (what: string, hint: string) => {
    const ids = `${blue.id} and ${green.id}`;
    return new InsideoutError(
      'VIEW_SHAPE',
      `Generations ${ids} of the view "${green.view.name}" cannot be compared: ${what}.`,
      { hint },
    );
  };
  if (blue.view.key.join() !== green.view.key.join())
    throw refuse('their keys are of different columns', 'Promote with --force if the change is intended.');
  const missing = wanted?.find((name) => !both.includes(name));
  if (missing !== undefined)
    throw refuse(`only one has the column "${missing}"`, 'Compare only columns that both have.');
  const chosen = wanted ?? both;
  return both.filter((name) => chosen.includes(name) || blue.view.key.includes(name));
}

/** Counts differences and keeps a few as examples. */
function tallyOf(scope: Scope, most: number) {
  const hasher = rowHasher([], [], scope.seed);
  const count = { onlyBlue: 0, onlyGreen: 0, changed: 0 };
  const byColumn: Record<string, number> = {};
  const examples: Difference[] = [];
  let settled = 0;
  let undecided = 0;
  let caughtUp = true;
  const changedColumns = (blue: Row, green: Row) =>
    scope.columns.filter((name) => !sameHash(hasher.value(blue[name]), hasher.value(green[name])));
  return {
    add(part: Settled): void {
      settled += part.equal;
      undecided += part.undecided;
      caughtUp &&= part.caughtUp;
      for (const { key, blue, green } of part.different) {
        const kind = !green ? 'onlyBlue' : !blue ? 'onlyGreen' : 'changed';
        const columns = blue && green ? changedColumns(blue, green) : [];
        count[kind]++;
        for (const name of columns) byColumn[name] = (byColumn[name] ?? 0) + 1;
        if (examples.length < most) examples.push({ key, kind, columns });
      }
    },
    found: () => count.onlyBlue + count.onlyGreen + count.changed,
    result: () => ({ differences: { ...count, byColumn, examples }, settled, undecided, caughtUp }),
  };
}
