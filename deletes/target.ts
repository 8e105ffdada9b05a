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
  /** Telling values by how they are written: as text, and where that differs as bytes, a character for each. */
  readonly #written = new Map<string, string>();
  /** How long those are that begin so: searching a text takes as long for one subject as for a thousand. */
  readonly #heads = new Map<string, Set<number>>();
  readonly #sought = new Map<string, { readonly values: boolean; readonly topics: ReadonlySet<string> }>();

  constructor(hasher: KeyHasher, targets: readonly Target[]) {
    this.#hasher = hasher;
    for (const { erasure, keys, telling } of targets) {
      const topics = [...keys].filter(([, hashes]) => hashes.size > 0).map(([topic]) => topic);
      this.#sought.set(erasure, { values: telling.length > 0, topics: new Set(topics) });
      for (const [topic, hashes] of keys) {
        const ofTopic = this.#byKey.get(topic) ?? new Map<string, string[]>();
        this.#byKey.set(topic, ofTopic);
        for (const hash of hashes) push(ofTopic, hash, erasure);
      }
      for (const value of telling) {
        if (!this.#byValue.has(value))
          for (const text of new Set([value, Buffer.from(value).toString('latin1')])) {
            this.#written.set(text, value);
            if (text.length < shortest) continue;
            const head = text.slice(0, shortest);
            this.#heads.set(head, (this.#heads.get(head) ?? new Set()).add(text.length));
          }
        push(this.#byValue, value, erasure);
      }
    }
  }

  /** Topics with rows of the subjects. */
  get topics(): string[] {
    return [...this.#byKey.keys()];
  }

  /** False when of this erasure neither a key of the topic nor a value is known: then nothing tells what is gone. */
  looksFor(erasure: string, topic: string): boolean {
    const sought = this.#sought.get(erasure);
    return sought !== undefined && (sought.values || sought.topics.has(topic));
  }

  /** The erasures that the row of this key belonged to. */
  ofKey(topic: string, key: Row): readonly string[] {
    const hashes = this.#byKey.get(topic);
    return (hashes?.size ? hashes.get(this.#hasher.key(topic, key)) : undefined) ?? none;
  }

  /** The erasures whose subject alone had a value that is in this row, at any depth or within a text. */
  ofValues(row: Row): readonly string[] {
    const found = this.valuesIn(row);
    return found.length === 0
      ? none
      : [...new Set(found.flatMap((value) => this.#byValue.get(value) ?? none))];
  }

  /** The values themselves. */
  valuesIn(row: Row): readonly string[] {
    if (this.#byValue.size === 0) return none;
    const found = new Set<string>();
    for (const value of Object.values(row)) this.#search(value, found);
    return found.size === 0 ? none : [...found];
  }

  #search(value: Value, found: Set<string>): void {
    if (value === null || typeof value === 'boolean') return;
    if (typeof value === 'object' && !(value instanceof Uint8Array)) {
      for (const [name, member] of Object.entries(value)) {
        if (!Array.isArray(value)) this.#search(name, found);
        this.#search(member, found);
      }
      return;
    }
    const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
    const whole = this.#written.get(text);
    if (whole !== undefined) found.add(whole);
    if (typeof value === 'number' || typeof value === 'bigint') return;
    for (let at = 0; at + shortest <= text.length; at++)
      for (const length of this.#heads.get(text.slice(at, at + shortest)) ?? noLengths) {
        const telling = this.#written.get(text.slice(at, at + length));
        if (telling !== undefined) found.add(telling);
      }
  }
}

function push(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** Telling values are at least this long. */
const shortest = 4;
const none: readonly string[] = [];
const noLengths: ReadonlySet<number> = new Set();
