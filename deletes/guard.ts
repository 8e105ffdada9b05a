import { isBefore, laterPoint, type SourcePoint } from '../connectors/source/point.ts';
import type { Checkpoint } from '../core/position.ts';
import type { Row } from '../core/value.ts';
import type { Headers } from '../log/log.ts';
import type { ErasedRows, Refusal } from '../materializer/apply/erased.ts';
import type { Erasure, JournalState, OverwrittenKeys } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';

/**
 * The rows that must never come back: those of every erasure whose deletes were committed, unless it was lifted.
 * Follows the journal; asks for the secret only when there is something to compare.
 */
export class ErasureGuard implements ErasedRows {
  readonly #state: () => JournalState;
  readonly #hasher: () => KeyHasher;
  #seen: JournalState | null = null;
  /** How many events of the journal are in what follows. */
  #events = 0;
  #hashes = new Map<string, Set<string>>();
  /** Of rows that were overwritten, or that were gone before: up to when what is told of them is stale. */
  #points = new Map<string, Map<string, SourcePoint>>();
  #ends = new Map<string, number>();

  constructor(state: () => JournalState, hasher: () => KeyHasher) {
    this.#state = state;
    this.#hasher = hasher;
  }

  none(topic: string): boolean {
    this.#follow();
    return !this.#hashes.has(topic) && !this.#points.has(topic);
  }

  has(topic: string, key: Row): boolean {
    this.#follow();
    return this.#hashes.get(topic)?.has(this.#hasher().key(topic, key)) ?? false;
  }

  refusal(topic: string, key: Row, headers: Headers): Refusal | null {
    if (this.none(topic)) return null;
    const hash = this.#hasher().key(topic, key);
    if (this.#hashes.get(topic)?.has(hash)) return 'erased';
    const point = this.#points.get(topic)?.get(hash);
    return point && isBefore(headers, point) ? 'stale' : null;
  }

  ends(topic: string): Checkpoint {
    this.#follow();
    return new Map([...this.#ends].filter(([key]) => key.startsWith(`${topic}/`)));
  }

  #follow(): void {
    const state = this.#state();
    if (state === this.#seen) return;
    const news = state.events.slice(this.#events);
    const again = this.#events > state.events.length || news.some((event) => event.type === 'lifted');
    if (again) this.#hashes = new Map();
    if (again) this.#points = new Map();
    if (again) this.#ends = new Map();
    const touched = again ? state.erasures.keys() : new Set(news.map((event) => event.erasure));
    for (const id of touched) this.#add(state.erasures.get(id)!);
    this.#seen = state;
    this.#events = state.events.length;
  }

  #add({ phase, lifted, keys, overwritten, former, ends }: Erasure): void {
    // Until somebody has said that the deletes were committed, it may yet turn out that nothing was deleted.
    if (phase === 'requested' || phase === 'found' || lifted) return;
    for (const { topic, hashes } of keys) {
      if (hashes.length === 0) continue;
      const set = this.#hashes.get(topic) ?? new Set<string>();
      this.#hashes.set(topic, set);
      for (const hash of hashes) set.add(hash);
    }
    for (const of of [...overwritten, ...former]) this.#addPoint(of);
    for (const [key, end] of ends) this.#ends.set(key, Math.max(end, this.#ends.get(key) ?? 0));
  }

  #addPoint({ topic, hashes, point }: OverwrittenKeys): void {
    if (hashes.length === 0) return;
    const points = this.#points.get(topic) ?? new Map<string, SourcePoint>();
    this.#points.set(topic, points);
    for (const hash of hashes) {
      const before = points.get(hash);
      points.set(hash, before ? laterPoint(before, point) : point);
    }
  }
}
