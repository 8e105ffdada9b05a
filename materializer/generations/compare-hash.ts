import type { Row, Value } from '../../core/value.ts';
import type { Key } from '../../core/view.ts';

/** 64 bits in two unsigned halves: JavaScript has no fast integer of that width. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

export const sameHash = (a: Hash64, b: Hash64): boolean => a.high === b.high && a.low === b.low;

/** What a missing row hashes to, which no row does but by chance. */
export const noRow: Hash64 = { high: 0, low: 0 };

export interface RowHasher {
  /** Hashes a row, without making an object for the result: it is in `high`, `low` and `range`. */
  add(row: Row): void;
  readonly high: number;
  readonly low: number;
  /** An unsigned 32-bit hash of the key alone. */
  readonly range: number;
  /** The same hash of a row, as a value. */
  row(row: Row | null): Hash64;
  value(value: Value | undefined): Hash64;
}

/**
 * Hashes rows by their values, never by how a store writes them: the same row has the same hash from every store
 * and in every process with the same seed. A null and a column that is absent are the same; 0 and -0, 1 and '1',
 * text and the bytes of it are not; every NaN is. The key and the place of each column count, so values that
 * changed places between rows or columns are noticed.
 *
 * Two independent murmur3 rounds per word (https://github.com/aappleby/smhasher/wiki/MurmurHash3). A random seed
 * makes two rows that collide in one comparison differ in the next.
 */
export function rowHasher(key: readonly string[], columns: readonly string[], seed: number): RowHasher {
  const rest = columns.filter((name) => !key.includes(name));
  const state = new State(seed);
  const add = (row: Row): void => {
    state.start();
    for (let i = 0; i < key.length; i++) hashValue(state, row[key[i]!]);
    hasher.range = state.peek();
    for (let i = 0; i < rest.length; i++) hashValue(state, row[rest[i]!]);
    state.finish();
    hasher.high = state.a;
    hasher.low = state.b;
  };
  const result = (): Hash64 => ({ high: state.a, low: state.b });
  const hasher = {
    high: 0,
    low: 0,
    range: 0,
    add,
    row(row: Row | null) {
      if (!row) return noRow;
      add(row);
      return result();
    },
    value(value: Value | undefined) {
      state.start();
      hashValue(state, value);
      state.finish();
      return result();
    },
  };
  return hasher;
}

export const keyOf = (row: Row, key: readonly string[]): Key => key.map((name) => row[name] ?? null);

const tag = {
  null: 1,
  true: 2,
  false: 3,
  number: 4,
  bigint: 5,
  bigBigint: 6,
  text: 7,
  bytes: 8,
  array: 9,
  object: 10,
};

class State {
  a = 0;
  b = 0;
  #words = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  start(): void {
    this.a = this.#seed;
    this.b = Math.imul(this.#seed, 0x9e3779b1) ^ 0x5bd1e995;
    this.#words = 0;
  }

  word(word: number): void {
    this.#words++;
    let k = Math.imul(word, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    const a = this.a ^ k;
    this.a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
    let m = Math.imul(word, 0x38b34ae5);
    m = Math.imul((m << 18) | (m >>> 14), 0xa1e38b93);
    const b = this.b ^ m;
    this.b = (Math.imul((b << 15) | (b >>> 17), 5) + 0x0bcaa747) | 0;
  }

  /** The hash so far, with the state left as it is. */
  peek(): number {
    return mix(this.a ^ Math.imul(this.b, 0x85ebca6b)) >>> 0;
  }

  finish(): void {
    const a = mix(this.a ^ this.#words);
    const b = mix(this.b ^ Math.imul(this.#words, 0x27d4eb2f));
    this.a = mix((a + b) | 0) >>> 0;
    this.b = mix((b + Math.imul(a, 3)) | 0) >>> 0;
  }
}

function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

const float = new Float64Array(1);
const long = new BigInt64Array(float.buffer);
const words = new Int32Array(float.buffer);

function hashValue(state: State, value: Value | undefined): void {
  if (typeof value === 'string') {
    state.word(tag.text);
    hashText(state, value);
  } else if (value === null || value === undefined) state.word(tag.null);
  else if (typeof value === 'number') {
    float[0] = Number.isNaN(value) ? Number.NaN : value;
    hashEight(state, tag.number);
  } else if (typeof value === 'bigint') hashBigint(state, value);
  else if (typeof value === 'boolean') state.word(value ? tag.true : tag.false);
  else if (value instanceof Uint8Array) hashBytes(state, value);
  else hashMembers(state, value);
}

function hashBigint(state: State, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    long[0] = value;
    hashEight(state, tag.bigint);
  } else {
    state.word(tag.bigBigint);
    hashText(state, value.toString());
  }
}

function hashEight(state: State, kind: number): void {
  state.word(kind);
  state.word(words[0]!);
  state.word(words[1]!);
}

/** The length first, so that no two lists of texts run together. */
function hashText(state: State, text: string): void {
  const { length } = text;
  state.word(length);
  let i = 0;
  for (; i + 1 < length; i += 2) state.word(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (i < length) state.word(text.charCodeAt(i));
}

function hashBytes(state: State, bytes: Uint8Array): void {
  const { length } = bytes;
  state.word(tag.bytes);
  state.word(length);
  for (let i = 0; i < length; i += 4)
    state.word(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
}

function hashMembers(state: State, value: Extract<Value, object>): void {
  if (Array.isArray(value)) {
    state.word(tag.array);
    state.word(value.length);
    for (const item of value as readonly Value[]) hashValue(state, item);
    return;
  }
  const members = Object.entries(value as Row).sort(([x], [y]) => (x < y ? -1 : 1));
  state.word(tag.object);
  state.word(members.length);
  for (const [name, item] of members) {
    hashText(state, name);
    hashValue(state, item);
  }
}
