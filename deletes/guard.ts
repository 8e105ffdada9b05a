import type { Checkpoint } from '../core/position.ts';
import type { Row } from '../core/value.ts';
import type { ErasedRows } from '../materializer/apply/erased.ts';
import type { JournalState } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';

/**
 * The rows that must never come back: those of every erasure whose deletes were committed, unless it was lifted.
 * Follows the journal; asks for the secret only when there is something to compare.
 */
export class ErasureGuard implements ErasedRows {
  readonly #state: () => JournalState;
  readonly #hasher: () => KeyHasher;
  #seen: JournalState | null = null;
  #hashes = new Map<string, Set<string>>();
  #ends = new Map<string, number>();

  constructor(state: () => JournalState, hasher: () => KeyHasher) {
    this.#state = state;
    this.#hasher = hasher;
  }

  none(topic: string): boolean {
    this.#follow();
    return !this.#hashes.has(topic);
  }

  has(topic: string, key: Row): boolean {
    this.#follow();
    return this.#hashes.get(topic)?.has(this.#hasher().key(topic, key)) ?? false;
  }

  ends(topic: string): Checkpoint {
    this.#follow();
    return new Map([...this.#ends].filter(([key]) => key.startsWith(`${topic}/`)));
  }

  #follow(): void {
    const state = this.#state();
    if (state === this.#seen) return;
    this.#seen = state;
    const hashes = new Map<string, Set<string>>();
    const ends = new Map<string, number>();
    for (const erasure of state.erasures.values()) {
      // Until somebody has said that the deletes were committed, it may yet turn out that nothing was deleted.
      if (erasure.phase === 'requested' || erasure.phase === 'found' || erasure.lifted) continue;
      for (const { topic, hashes: keys } of erasure.keys) {
        const set = hashes.get(topic) ?? new Set<string>();
        hashes.set(topic, set);
        for (const hash of keys) set.add(hash);
      }
      for (const [key, end] of erasure.ends) ends.set(key, Math.max(end, ends.get(key) ?? 0));
    }
    for (const [topic, set] of hashes) if (set.size === 0) hashes.delete(topic);
    this.#hashes = hashes;
    this.#ends = ends;
  }
}
