import type { Erasure } from './journal.ts';
import type { Place } from './place.ts';
import { SubjectKeys } from './subject-keys.ts';

/** What stands for a subject in the file of keys. Errors: `ERASURE_KEY`. */
export const shredHash = (path: string, subject: string): string =>
  withKeys(path, (keys) => keys.hash(subject));

/** Destroys the keys of these erasures' subjects; again, should that have been interrupted. Errors: `ERASURE_KEY`. */
export function shredKeys(erasures: readonly Erasure[], path: string | null): void {
  const doomed = erasures.filter((e) => e.shred !== null && !e.lifted);
  if (doomed.length === 0 || path === null) return;
  withKeys(path, (keys) => {
    for (const { shred } of doomed) keys.destroy(shred!);
  });
}

/** The places `keys` of erasures that have one, as the file answers now. Errors: `ERASURE_KEY`. */
export function keyPlaces(erasures: readonly Erasure[], path: string | null): ReadonlyMap<string, Place> {
  const concerned = erasures.filter((e) => e.shred !== null);
  if (concerned.length === 0) return new Map();
  const place = { kind: 'keys', name: path ?? 'subject keys', read: null, at: Date.now() } as const;
  if (path === null) {
    const reason = '`erasure.shred` is no longer in the config: put it back to have the key asked for.';
    return new Map(concerned.map((e) => [e.id, { ...place, state: 'unverifiable', reason }]));
  }
  const destroyed = 'The key is destroyed: what it encrypted is unreadable.';
  const kept = 'The key of the subject is not destroyed.';
  return withKeys(
    path,
    (keys) =>
      new Map(
        concerned.map(({ id, shred }): [string, Place] => [
          id,
          keys.find(shred!) === null
            ? { ...place, state: 'verified', reason: destroyed }
            : { ...place, state: 'applied', reason: kept },
        ]),
      ),
  );
}

function withKeys<T>(path: string, work: (keys: SubjectKeys) => T): T {
  const keys = new SubjectKeys(path, { create: false });
  try {
    return work(keys);
  } finally {
    keys.close();
  }
}
