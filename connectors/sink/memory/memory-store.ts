import type { Checkpoint, Offset, PartitionKey } from '../../../core/position.ts';
import { partitionKey } from '../../../core/position.ts';
import type { Row } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewShape } from '../../../core/view.ts';
import { type Expiry, expiryOf } from '../expiry.ts';
import { encodeArray } from '../row-json.ts';
import { dropsActive, fenced, gap, gone, shapeText, unstorable, wrongShape } from '../store-errors.ts';
import type { Claim, Generation, Promotion, ViewStore } from '../view-store.ts';

/** Views in memory, for unit tests: the contract in its shortest form. */
export function openMemoryStore(options: { readonly now?: () => number } = {}): ViewStore {
  const generations = new Map<string, Map<GenerationId, MemoryGeneration>>();
  const active = new Map<string, GenerationId>();
  return {
    async open(view, id) {
      const ofView = generations.get(view.name) ?? new Map<GenerationId, MemoryGeneration>();
      generations.set(view.name, ofView);
      const known = ofView.get(id);
      if (known && shapeText(known.view) !== shapeText(view)) throw wrongShape(view, id);
      const generation = known ?? new MemoryGeneration({ view, id, expiry: expiryOf(view, options.now) });
      ofView.set(id, generation);
      return generation;
    },
    async find(view, id) {
      const known = generations.get(view.name)?.get(id);
      if (known && shapeText(known.view) !== shapeText(view)) throw wrongShape(view, id);
      return known ?? null;
    },
    generations: async (view) => [...(generations.get(view)?.keys() ?? [])].sort((a, b) => a - b),
    active: async (view) => active.get(view) ?? null,
    async promote(moves: readonly Promotion[]) {
      if (moves.some((m) => (active.get(m.view.name) ?? null) !== m.from)) return false;
      const missing = moves.find((m) => !generations.get(m.view.name)?.has(m.to));
      if (missing) throw gone(missing.view.name, missing.to);
      for (const move of moves) active.set(move.view.name, move.to);
      return true;
    },
    async withdraw(view, id) {
      if (active.get(view) === id) active.delete(view);
    },
    async drop(view, id) {
      if (active.get(view) === id) throw dropsActive(view, id);
      generations.get(view)?.get(id)?.end();
      generations.get(view)?.delete(id);
    },
    check: async () => {},
    scrub: async () => null,
    files: () => [],
    close: async () => {},
  };
}

class MemoryGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #expiry: Expiry | null;
  readonly #rows = new Map<string, { row: Row; partition: number; end: number | null }>();
  readonly #checkpoints = new Map<PartitionKey, { next: Offset; epoch: number }>();
  #dropped = false;

  constructor(parts: { view: ViewShape; id: GenerationId; expiry: Expiry | null }) {
    this.view = parts.view;
    this.id = parts.id;
    this.#expiry = parts.expiry;
  }

  step(): null {
    return null;
  }

  async checkpoint(): Promise<Checkpoint> {
    return new Map([...this.#checkpoints].map(([key, { next }]) => [key, next]));
  }

  async claim(topic: string, partition: number): Promise<Claim> {
    if (this.#dropped) throw gone(this.view.name, this.id);
    const key = partitionKey(topic, partition);
    const { next, epoch } = this.#checkpoints.get(key) ?? { next: 0, epoch: 0 };
    this.#checkpoints.set(key, { next, epoch: epoch + 1 });
    return { topic, partition, next, epoch: epoch + 1 };
  }

  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    const key = partitionKey(batch.topic, batch.partition);
    const stored = this.#checkpoints.get(key);
    if (!stored || stored.epoch !== claim.epoch) throw fenced(this.view, batch);
    if (batch.from > stored.next) throw gap(this.view, batch, stored.next);
    for (const change of batch.changes) if (change.op === 'upsert') this.#check(change.row);
    for (const change of batch.changes) {
      if (change.offset < stored.next) continue;
      if (change.op === 'upsert')
        this.#rows.set(encodeArray(change.key), {
          row: { ...change.row },
          partition: batch.partition,
          end: this.#expiry?.end(change.row) ?? null,
        });
      else if (change.op === 'delete') this.#rows.delete(encodeArray(change.key));
      else
        for (const [k, { partition }] of this.#rows) if (partition === batch.partition) this.#rows.delete(k);
    }
    this.#checkpoints.set(key, { ...stored, next: Math.max(stored.next, batch.next) });
    this.#expire();
  }

  /** Dropped: nobody can write to it any more. */
  end(): void {
    this.#dropped = true;
    this.#checkpoints.clear();
    this.#rows.clear();
  }

  async erase(keys: readonly Key[]): Promise<void> {
    for (const key of keys) this.#rows.delete(encodeArray(key));
  }

  async get(key: Key): Promise<Row | null> {
    this.#expire();
    return this.#rows.get(encodeArray(key))?.row ?? null;
  }

  getMany(keys: readonly Key[]): Promise<(Row | null)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async *scan(): AsyncGenerator<Row> {
    this.#expire();
    for (const { row } of [...this.#rows.values()]) yield row;
  }

  async count(): Promise<number> {
    this.#expire();
    return this.#rows.size;
  }

  #check(row: Row): void {
    checkValues(row);
    this.#expiry?.end(row);
  }

  #expire(): void {
    if (!this.#expiry) return;
    for (const [key, { end }] of this.#rows) if (this.#expiry.ended(end)) this.#rows.delete(key);
  }
}

function checkValues(row: Row): void {
  for (const value of Object.values(row))
    if (!['object', 'boolean', 'number', 'bigint', 'string'].includes(typeof value)) throw unstorable();
}
