import type { ErasedKeys, NotedRows, OwnerHashes } from './journal.ts';

/** Topics are in the list once. */
export const hashesByTopic = (keys: readonly ErasedKeys[]): Map<string, Set<string>> =>
  new Map(keys.map(({ topic, hashes }) => [topic, new Set(hashes)]));

export function merged(...lists: readonly (readonly ErasedKeys[])[]): ErasedKeys[] {
  const all = new Map<string, Set<string>>();
  for (const { topic, hashes } of lists.flat()) {
    const set = all.get(topic) ?? new Set<string>();
    all.set(topic, set);
    for (const hash of hashes) set.add(hash);
  }
  return [...all].map(([topic, hashes]) => ({ topic, hashes: [...hashes] }));
}

/** Each table in each topic once. */
export function joined(rows: readonly NotedRows[]): NotedRows[] {
  return grouped(rows, (of) => [of.table, of.topic]).map((same) => ({
    ...same[0]!,
    hashes: [...new Set(same.flatMap((of) => of.hashes))],
    overwritten: Math.max(...same.map((of) => of.overwritten)),
    ...(same.some((of) => of.stays) ? { stays: [...new Set(same.flatMap((of) => of.stays ?? []))] } : {}),
  }));
}

/** Each column by which rows are known once; null where one of them cannot be compared. */
export function joinedOwners(owners: readonly OwnerHashes[]): OwnerHashes[] {
  return grouped(owners, (of) => [of.topic, of.column, of.through]).map((same) => ({
    ...same[0]!,
    hashes: same.some((of) => of.hashes === null)
      ? null
      : [...new Set(same.flatMap((of) => of.hashes ?? []))],
  }));
}

/** Without what refers to rows that are somebody else's. */
export function withoutOwners(owners: readonly OwnerHashes[], others: readonly OwnerHashes[]): OwnerHashes[] {
  return owners.map((of) => {
    if (of.through === null || of.hashes === null) return of;
    const kept = others.filter((o) => o.topic === of.topic && o.column === of.column && o.through !== null);
    const gone = new Set(kept.flatMap((o) => o.hashes ?? []));
    return { ...of, hashes: of.hashes.filter((hash) => !gone.has(hash)) };
  });
}

/**
 * Rows whose keys are not among these. Topics of which no row is left stay: former records of a row that is somebody
 * else's now tell whose it was.
 */
export function without(rows: readonly NotedRows[], keys: readonly ErasedKeys[]): NotedRows[] {
  const other = hashesByTopic(merged(keys));
  return rows.map((of) => ({ ...of, hashes: of.hashes.filter((hash) => !other.get(of.topic)?.has(hash)) }));
}

/** Those of which this is the same, in one list each. */
function grouped<T>(all: readonly T[], by: (one: T) => unknown): T[][] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const id = JSON.stringify(by(one));
    const group = groups.get(id);
    if (group) group.push(one);
    else groups.set(id, [one]);
  }
  return [...groups.values()];
}
