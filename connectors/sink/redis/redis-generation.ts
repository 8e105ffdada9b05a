import type { Redis } from 'ioredis';
import type { Checkpoint } from '../../../core/position.ts';
import type { Row } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewChange, ViewShape } from '../../../core/view.ts';
import { decodeRow, encodeRow } from '../row-json.ts';
import { fenced, gap } from '../store-errors.ts';
import type { Claim, Generation } from '../view-store.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisKeys } from './redis-keys.ts';
import { applyScript, claimScript } from './redis-scripts.ts';

/** What one script call takes, so that Redis is not held up for long. */
const maxChanges = 5_000;
const maxBytes = 2 << 20;
const scanCount = 1_000;

/**
 * Rows are strings: the source partition, a space, and the row as JSON (`0 {"id":"1","name":"Ada"}`), because
 * MSET of strings is several times as fast as a hash for each row.
 */
export class RedisGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #redis: RedisConnection;
  readonly #keys: RedisKeys;

  constructor(parts: { redis: RedisConnection; keys: RedisKeys; view: ViewShape; id: GenerationId }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.view = parts.view;
    this.id = parts.id;
  }

  async checkpoint(): Promise<Checkpoint> {
    const stored = await this.#redis.call((r) => r.hgetall(this.#checkpoints));
    return new Map(Object.entries(stored).map(([field, text]) => [field, parseClaim(text).next]));
  }

  async claim(topic: string, partition: number): Promise<Claim> {
    const text = await this.#redis.script(claimScript, [this.#checkpoints], [`${topic}/${partition}`]);
    return { topic, partition, ...parseClaim(String(text)) };
  }

  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    let changes = batch.changes;
    let from = batch.from;
    do {
      const step = this.#step(changes, batch, from);
      const applied = step.truncates
        ? await this.#truncate(claim, batch, { from, next: step.next })
        : await this.#write(claim, batch, step);
      from = applied;
      changes = changes.filter((change) => change.offset >= from);
    } while (from < batch.next);
  }

  async get(key: Key): Promise<Row | null> {
    const text = await this.#redis.call((r) => r.get(this.#keys.row(this.view, this.id, key)));
    return text === null ? null : this.#decode(text);
  }

  async *scan(): AsyncGenerator<Row> {
    for await (const { values } of this.#pages())
      for (const text of values) if (text !== null) yield this.#decode(text);
  }

  async count(): Promise<number> {
    let count = 0;
    for await (const { keys } of this.#pages(false)) count += keys.length;
    return count;
  }

  get #checkpoints(): string {
    return this.#keys.checkpoints(this.view.name, this.id);
  }

  /** The longest beginning of the changes that fits one call: up to a truncate, or a truncate alone. */
  #step(changes: readonly ViewChange[], batch: ViewBatch, from: number): Step {
    const set = new Map<string, string>();
    const removed = new Set<string>();
    let bytes = 0;
    for (const change of changes) {
      const full = set.size + removed.size >= maxChanges || bytes >= maxBytes;
      if (change.op === 'truncate') {
        if (change === changes[0])
          return { from, next: after(changes, 0, batch), set, removed, truncates: true };
        return { from, next: change.offset, set, removed, truncates: false };
      }
      if (full) return { from, next: change.offset, set, removed, truncates: false };
      const name = this.#keys.row(this.view, this.id, change.key);
      if (change.op === 'delete') {
        set.delete(name);
        removed.add(name);
      } else {
        const text = `${batch.partition} ${encodeRow(change.row, this.view.columns)}`;
        removed.delete(name);
        set.set(name, text);
        bytes += text.length;
      }
    }
    return { from, next: batch.next, set, removed, truncates: false };
  }

  /** Returns the checkpoint that is stored afterwards. */
  async #write(claim: Claim, batch: ViewBatch, step: Step): Promise<number> {
    const keys = [this.#checkpoints, ...step.set.keys(), ...step.removed];
    const args = [
      `${batch.topic}/${batch.partition}`,
      claim.epoch,
      step.from,
      step.next,
      step.set.size,
      ...step.set.values(),
    ];
    const answer = String(await this.#redis.script(applyScript, keys, args));
    if (answer === 'fenced') throw fenced(this.view, batch);
    if (answer.startsWith('gap ')) throw gap(this.view, batch, Number(answer.slice(4)));
    return answer.startsWith('partly ') ? Number(answer.slice(7)) : step.next;
  }

  /**
   * Removes the partition's rows, then moves the checkpoint. All of them came before the truncate, since nothing
   * after it is applied yet; so doing it again after a crash is harmless. A batch that is replayed must not do it.
   */
  async #truncate(claim: Claim, batch: ViewBatch, range: { from: number; next: number }): Promise<number> {
    const stored = await this.#redis.call((r) =>
      r.hget(this.#checkpoints, `${batch.topic}/${batch.partition}`),
    );
    const position = stored === null ? { epoch: 0, next: 0 } : parseClaim(stored);
    if (position.epoch !== claim.epoch) throw fenced(this.view, batch);
    if (range.from > position.next) throw gap(this.view, batch, position.next);
    if (position.next > range.from) return Math.min(position.next, batch.next);
    for await (const { keys, values } of this.#pages()) {
      const mine = keys.filter((_, i) => values[i]?.startsWith(`${batch.partition} `));
      if (mine.length > 0) await this.#redis.call((r) => r.unlink(...mine));
    }
    return this.#write(claim, batch, { ...range, set: new Map(), removed: new Set(), truncates: false });
  }

  /** Pages of row keys, each key once, with their values when asked for. */
  async *#pages(withValues = true): AsyncGenerator<{ keys: string[]; values: (string | null)[] }> {
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const [next, found] = await this.#redis.call((r: Redis) =>
        r.scan(
          cursor,
          'MATCH',
          `${escapePattern(this.#keys.rowPrefix(this.view.name, this.id))}*`,
          'COUNT',
          scanCount,
        ),
      );
      cursor = next;
      // SCAN may give a key twice.
      const keys = found.filter((key) => !seen.has(key));
      for (const key of keys) seen.add(key);
      if (keys.length === 0) continue;
      yield { keys, values: withValues ? await this.#redis.call((r) => r.mget(...keys)) : [] };
    } while (cursor !== '0');
  }

  #decode(text: string): Row {
    return decodeRow(text.slice(text.indexOf(' ') + 1), this.view.columns);
  }
}

interface Step {
  readonly from: number;
  readonly next: number;
  readonly set: Map<string, string>;
  readonly removed: Set<string>;
  readonly truncates: boolean;
}

/** Where the change behind the one at `index` begins. */
const after = (changes: readonly ViewChange[], index: number, batch: ViewBatch): number =>
  changes[index + 1]?.offset ?? batch.next;

function parseClaim(text: string): { epoch: number; next: number } {
  const [epoch, next] = text.split(' ');
  return { epoch: Number(epoch), next: Number(next) };
}

export const escapePattern = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&');
