import { encodeArray } from '../../connectors/sink/row-json.ts';
import type { Generation } from '../../connectors/sink/view-store.ts';
import type { Row } from '../../core/value.ts';
import type { Key } from '../../core/view.ts';
import { type Hash64, keyOf, noRow, sameHash } from './compare-hash.ts';
import { hasherOf, type Scope, type Summary, scanBoth } from './compare-scan.ts';

/** A key whose rows were not the same when both sides were read. */
export interface Candidate {
  readonly key: Key;
  readonly blue: Hash64;
  readonly green: Hash64;
}

/** Ranges in groups of at most `budget` keys, or of one range. */
export function groupsOf(
  ranges: readonly number[],
  [blue, green]: readonly [Summary, Summary],
  budget: number,
): number[][] {
  const groups: number[][] = [];
  let room = 0;
  for (const range of ranges) {
    const keys = Math.max(blue.counts[range]!, green.counts[range]!);
    if (keys > room || groups.length === 0) {
      groups.push([]);
      room = budget;
    }
    groups.at(-1)!.push(range);
    room -= keys;
  }
  return groups;
}

/**
 * Reads both generations once and keeps, of the keys in these ranges, those that differ. A key is remembered only
 * until it was met on the other side, where it is forgotten when the rows are the same.
 */
export async function candidatesIn(
  ranges: readonly number[],
  sides: readonly [Generation, Generation],
  scope: Scope,
): Promise<Candidate[]> {
  const wanted = new Uint8Array(scope.ranges);
  for (const range of ranges) wanted[range] = 1;
  const unmatched = new Map<string, Candidate & { readonly side: 'blue' | 'green' }>();
  const differing: Candidate[] = [];
  const visit = (side: 'blue' | 'green') => {
    const hasher = hasherOf(scope);
    return (row: Row) => {
      hasher.add(row);
      if (wanted[hasher.range % scope.ranges] === 0) return;
      const key = keyOf(row, scope.key);
      const text = encodeArray(key);
      const hash = { high: hasher.high, low: hasher.low };
      const met = unmatched.get(text);
      const mine = { ...(met ?? { blue: noRow, green: noRow }), key, side, [side]: hash };
      if (!met || met.side === side) {
        unmatched.set(text, mine);
        return;
      }
      unmatched.delete(text);
      if (!sameHash(mine.blue, mine.green)) differing.push(mine);
    };
  };
  await scanBoth(sides, scope, [visit('blue'), visit('green')]);
  return [...differing, ...unmatched.values()];
}
