import type { Generation } from '../../connectors/sink/view-store.ts';
import type { Checkpoint } from '../../core/position.ts';
import type { Row } from '../../core/value.ts';
import type { Key, ViewShape } from '../../core/view.ts';
import type { Headers } from '../../log/log.ts';

/**
 * Rows that were erased for good, known by keyed hashes only. Whatever brings one back, an old record, a restored
 * database, somebody who replays a dead letter, a view does not take it.
 */
export interface ErasedRows {
  /** True when nothing of this topic was ever erased or overwritten: then nothing needs to be asked. */
  none(topic: string): boolean;
  /** `key` has the topic's own column names. */
  has(topic: string, key: Row): boolean;
  /**
   * Why a record is not taken: its row is `erased`, or the record is `stale`, of a row that was overwritten, or erased
   * without being kept out, and of before that: it tells what nobody is to know any more, and the row as it is now has
   * a newer one. Null for all others.
   */
  refusal(topic: string, key: Row, headers: Headers): Refusal | null;
  /** Behind these offsets of the topic all deletes lie that are known. */
  ends(topic: string): Checkpoint;
}

export type Refusal = 'erased' | 'stale';

/** Where a generation's keys come from: see `StagedGeneration.origin`. */
export interface Origin {
  readonly topic: string;
  readonly key: Readonly<Record<string, string>>;
}

/** The erased rows of one generation, asked by the view's own keys. */
export class ErasedKeys {
  readonly #rows: ErasedRows;
  readonly #origin: Origin;
  readonly #names: readonly string[];

  constructor(rows: ErasedRows, origin: Origin, view: ViewShape) {
    this.#rows = rows;
    this.#origin = origin;
    this.#names = view.key.map((name) => origin.key[name] ?? name);
  }

  get none(): boolean {
    return this.#rows.none(this.#origin.topic);
  }

  has(key: Key): boolean {
    return !this.none && this.#rows.has(this.#origin.topic, this.#named(key));
  }

  /** See `ErasedRows.refusal`. */
  refusal(key: Key, headers: Headers): Refusal | null {
    return this.none ? null : this.#rows.refusal(this.#origin.topic, this.#named(key), headers);
  }

  #named(key: Key): Row {
    const named: Record<string, Row[string]> = {};
    for (let i = 0; i < key.length; i++) named[this.#names[i]!] = key[i]!;
    return named;
  }

  /**
   * True when the generation must be looked through: its checkpoint lies before deletes that everybody has seen, as
   * after its store was restored from a backup, or it is fed by a view topic, whose offsets tell nothing.
   */
  mayBeBack(checkpoint: Checkpoint, input: string): boolean {
    if (this.none) return false;
    if (input !== this.#origin.topic) return true;
    return [...this.#rows.ends(input)].some(([key, end]) => (checkpoint.get(key) ?? 0) < end);
  }
}

const slice = 500;

/** Deletes erased rows that a generation holds again. Returns how many there were. */
export async function sweepErased(
  generation: Generation,
  erased: ErasedKeys,
  signal: AbortSignal,
): Promise<number> {
  let doomed: Key[] = [];
  let count = 0;
  const remove = async () => {
    await generation.erase(doomed);
    count += doomed.length;
    doomed = [];
  };
  for await (const row of generation.scan()) {
    signal.throwIfAborted();
    const key = generation.view.key.map((name) => row[name] ?? null);
    if (erased.has(key)) doomed.push(key);
    if (doomed.length >= slice) await remove();
  }
  if (doomed.length > 0) await remove();
  return count;
}
