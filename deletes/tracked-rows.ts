import type { FollowRequest, OwnerColumn, SubjectRows } from '../connectors/source/erasure.ts';
import type { Erasure, NotedRows, OwnerHashes } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';
import type { OverwrittenTexts } from './target.ts';

/** Rows as the journal knows them. */
export function noted(rows: readonly SubjectRows[], hasher: KeyHasher): NotedRows[] {
  return rows.map((of) => ({
    table: of.table,
    topic: of.topic,
    hashes: of.policy === 'delete' ? of.keys.map((key) => hashOf(of, key, hasher)) : [],
    overwritten: of.policy === 'delete' ? 0 : of.keys.length,
    ...(of.overwritten ? { stays: of.keys.map((key) => hashOf(of, key, hasher)) } : {}),
  }));
}

/** What was overwritten of rows, by topic and by the hash of the key. */
export function textsOf(rows: readonly SubjectRows[], hasher: KeyHasher): OverwrittenTexts {
  return new Map(
    rows
      .filter((of) => of.overwritten !== undefined)
      .map((of) => [
        of.topic,
        new Map(of.keys.map((key, i) => [hashOf(of, key, hasher), of.overwritten?.[i] ?? null])),
      ]),
  );
}

/** Columns that tell the subject's rows as the journal knows them. */
export const ownersOf = (owners: readonly OwnerColumn[], hasher: KeyHasher): OwnerHashes[] =>
  owners.map(({ topic, column, through, values }) => ({
    topic,
    column,
    through,
    hashes: values?.map((value) => hasher.key(topic, { [column]: value })) ?? null,
  }));

/** What of `rows` is not among the known ones. */
export function beyond(known: readonly NotedRows[], rows: readonly NotedRows[]): NotedRows[] {
  return rows.flatMap((of) => {
    const had = known.find((k) => k.table === of.table && k.topic === of.topic);
    const seen = new Set(had?.hashes);
    const hashes = of.hashes.filter((hash) => !seen.has(hash));
    return had && hashes.length === 0 ? [] : [{ ...of, hashes }];
  });
}

const hashOf = (of: SubjectRows, key: readonly string[], hasher: KeyHasher): string =>
  hasher.key(of.topic, Object.fromEntries(of.keyColumns.map((name, i) => [name, key[i] ?? null])));

/** The keys of the rows that a process has seen while the application was to delete them. In memory only. */
export class SeenRows {
  readonly #hasher: KeyHasher;
  /** One row each, by its hash. */
  readonly #rows = new Map<string, SubjectRows>();

  constructor(hasher: KeyHasher) {
    this.#hasher = hasher;
  }

  add(rows: readonly SubjectRows[]): void {
    for (const of of rows)
      if (of.policy === 'delete')
        for (const key of of.keys) this.#rows.set(hashOf(of, key, this.#hasher), { ...of, keys: [key] });
  }

  /** What the source is to be asked about these tracked rows; of those that this process has not seen the hashes. */
  question({ rows }: NonNullable<Erasure['tracked']>): Pick<FollowRequest, 'noted' | 'others'> {
    const known: SubjectRows[] = [];
    const unknown = new Map<string, Set<string>>();
    for (const { topic, hashes } of rows)
      for (const hash of hashes) {
        const seen = this.#rows.get(hash);
        if (seen) known.push(seen);
        else unknown.set(topic, (unknown.get(topic) ?? new Set()).add(hash));
      }
    const hasher = this.#hasher;
    return {
      noted: known,
      others:
        unknown.size === 0
          ? null
          : {
              topics: new Set(unknown.keys()),
              has: (topic, key) => unknown.get(topic)?.has(hasher.key(topic, key)) ?? false,
            },
    };
  }
}
