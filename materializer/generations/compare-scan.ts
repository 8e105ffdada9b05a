import { setImmediate as turn } from 'node:timers/promises';
import type { Generation } from '../../connectors/sink/view-store.ts';
import type { Row } from '../../core/value.ts';
import { type RowHasher, rowHasher } from './compare-hash.ts';

/** What is compared and how; the same for both sides and all passes. */
export interface Scope {
  readonly key: readonly string[];
  readonly columns: readonly string[];
  readonly ranges: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly read: (rows: number) => void;
}

export const hasherOf = ({ key, columns, seed }: Scope): RowHasher => rowHasher(key, columns, seed);

/** Rows between two turns of the event loop, which others in this process need: about a millisecond. */
const rowsPerTurn = 250;

/** Visits every row of both generations, side by side, so that little is written between the two. */
export async function scanBoth(
  sides: readonly [Generation, Generation],
  scope: Scope,
  visit: readonly [(row: Row) => void, (row: Row) => void],
): Promise<void> {
  const failed = new AbortController();
  const scan = async (generation: Generation, each: (row: Row) => void) => {
    let rows = 0;
    for await (const row of generation.scan()) {
      each(row);
      if (++rows % rowsPerTurn !== 0) continue;
      scope.read(rowsPerTurn);
      await turn();
      scope.signal.throwIfAborted();
      failed.signal.throwIfAborted();
    }
    scope.read(rows % rowsPerTurn);
  };
  const both = [scan(sides[0], visit[0]), scan(sides[1], visit[1])];
  try {
    await Promise.all(both);
  } catch (error) {
    failed.abort();
    await Promise.allSettled(both);
    throw error;
  }
}

/** Count and checksum of each range of keys: the sum of the rows' hashes, so that their order plays no part. */
export interface Summary {
  readonly rows: number;
  readonly counts: Uint32Array;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

/** Reads both generations once. Memory: 24 bytes for each range. */
export async function summarize(
  sides: readonly [Generation, Generation],
  scope: Scope,
): Promise<[Summary, Summary]> {
  const blue = summary(scope);
  const green = summary(scope);
  await scanBoth(sides, scope, [blue.add, green.add]);
  return [blue.result(), green.result()];
}

function summary(scope: Scope): { add(row: Row): void; result(): Summary } {
  const { ranges } = scope;
  const hasher = hasherOf(scope);
  const counts = new Uint32Array(ranges);
  const high = new Uint32Array(ranges);
  const low = new Uint32Array(ranges);
  let rows = 0;
  return {
    add(row) {
      hasher.add(row);
      const range = hasher.range % ranges;
      const sum = low[range]! + hasher.low;
      low[range] = sum;
      high[range] = high[range]! + hasher.high + (sum > 0xffff_ffff ? 1 : 0);
      counts[range]!++;
      rows++;
    },
    result: () => ({ rows, counts, high, low }),
  };
}

/** The ranges that are not the same on both sides. */
export function differingRanges(blue: Summary, green: Summary): number[] {
  const found: number[] = [];
  for (let i = 0; i < blue.counts.length; i++)
    if (blue.counts[i] !== green.counts[i] || blue.high[i] !== green.high[i] || blue.low[i] !== green.low[i])
      found.push(i);
  return found;
}
