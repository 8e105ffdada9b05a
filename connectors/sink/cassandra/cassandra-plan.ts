import type { Offset } from '../../../core/position.ts';
import type { Key, ViewChange } from '../../../core/view.ts';
import { encodeArray } from '../row-json.ts';

export type RowChange = Exclude<ViewChange, { op: 'truncate' }>;

/** What a batch comes to: the last change of each key, and the last truncate. */
export interface Plan {
  readonly rows: readonly RowChange[];
  readonly truncate: Offset | null;
}

/** What is the same for equal keys of a view, and for no others. A column has one type, so most values are that. */
function sameFor(key: Key): unknown {
  const [only] = key;
  return key.length > 1 || typeof only === 'object' || typeof only === 'number' ? encodeArray(key) : only;
}

/**
 * Changes below `from` are left out. A key that was written before a truncate is deleted at the truncate's offset,
 * also when it was never seen in the table: a late write of a fenced writer may still bring it there.
 */
export function planBatch(changes: readonly ViewChange[], from: Offset): Plan {
  const last = new Map<unknown, RowChange>();
  let truncate: Offset | null = null;
  for (const change of changes) {
    if (change.offset < from) continue;
    if (change.op === 'truncate') {
      truncate = change.offset;
      for (const [same, { key }] of last) last.set(same, { op: 'delete', offset: change.offset, key });
    } else last.set(sameFor(change.key), change);
  }
  return { rows: [...last.values()], truncate };
}
