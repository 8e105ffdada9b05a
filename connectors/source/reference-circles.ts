import type { ForeignKey } from './erasure.ts';

/** True when `from` refers to `to`, itself or through other tables; false of a table and itself. */
export function refersTo(from: string, to: string, foreignKeys: readonly ForeignKey[]): boolean {
  const seen = [from];
  for (const table of seen)
    for (const { references } of foreignKeys.filter((f) => f.table === table))
      if (!seen.includes(references.table)) seen.push(references.table);
  return from !== to && seen.includes(to);
}
