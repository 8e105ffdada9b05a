import type { Row, Value } from '../core/value.ts';
import type { KeyHasher } from './key-hash.ts';

/** What is looked for of one erasure. */
export interface Target {
  readonly erasure: string;
  /** Hashes of the keys whose rows must be gone, by topic. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  /**
   * Values that were the subject's alone, to be searched for everywhere; empty when they are not known any more,
   * as they are never stored.
   */
  readonly telling: readonly string[];
}

/** Finds traces of several erasures in one pass. */
export class Tracer {
  readonly #hasher: KeyHasher;
  readonly #byKey = new Map<string, Map<string, string[]>>();
  readonly #byValue = new Map<string, string[]>();
  /** By how a telling value begins, so that searching a text takes as long for one subject as for a thousand. */
  readonly #heads = new Map<string, string[]>();

  constructor(hasher: KeyHasher, targets: readonly Target[]) {
    this.#hasher = hasher;
    for (const { erasure, keys, telling } of targets) {
      for (const [topic, hashes] of keys) {
        const ofTopic = this.#byKey.get(topic) ?? new Map<string, string[]>();
        this.#byKey.set(topic, ofTopic);
        for (const hash of hashes) ofTopic.set(hash, [...(ofTopic.get(hash) ?? []), erasure]);
      }
      for (const value of telling) {
        if (!this.#byValue.has(value) && value.length >= shortest) {
          const head = value.slice(0, shortest);
          this.#heads.set(head, [...(this.#heads.get(head) ?? []), value]);
        }
        this.#byValue.set(value, [...(this.#byValue.get(value) ?? []), erasure]);
      }
    }
  }

  /** Topics with erased rows. */
  get topics(): string[] {
    return [...this.#byKey.keys()];
  }

  /** The erasures that the row of this key belonged to. */
  ofKey(topic: string, key: Row): readonly string[] {
    const hashes = this.#byKey.get(topic);
    return (hashes?.size ? hashes.get(this.#hasher.key(topic, key)) : undefined) ?? none;
  }

  /** The erasures whose subject alone had a value that is in this row, at any depth or within a text. */
  ofValues(row: Row): readonly string[] {
    if (this.#byValue.size === 0) return none;
    const found = new Set<string>();
    for (const value of Object.values(row)) this.#search(value, found);
    return found.size === 0 ? none : [...found];
  }

  #search(value: Value, found: Set<string>): void {
    if (value === null || typeof value === 'boolean') return;
    if (typeof value === 'object' && !(value instanceof Uint8Array)) {
      for (const member of Object.values(value)) this.#search(member, found);
      return;
    }
    const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
    for (const erasure of this.#byValue.get(text) ?? none) found.add(erasure);
    if (typeof value === 'number' || typeof value === 'bigint') return;
    for (let at = 0; at + shortest <= text.length; at++)
      for (const telling of this.#heads.get(text.slice(at, at + shortest)) ?? none)
        if (text.startsWith(telling, at))
          for (const erasure of this.#byValue.get(telling)!) found.add(erasure);
  }
}

/** Telling values are at least this long. */
const shortest = 4;
const none: readonly string[] = [];
