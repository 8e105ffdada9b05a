import { type Checkpoint, type Offset, type PartitionKey, partitionKey } from '../../../core/position.ts';
import type { Row } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewShape } from '../../../core/view.ts';
import { expiryOf } from '../expiry.ts';
import { fenced, gap, generationGone, gone } from '../store-errors.ts';
import type { Claim, Generation } from '../view-store.ts';
import { type Chunk, type ChunkEncoding, chunksOf } from './redis-chunks.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RowLayout } from './redis-layout.ts';
import { keyText, type RedisNames } from './redis-names.ts';
import { scanOnce, scanSlices } from './redis-scan.ts';
import { answer, claimScript } from './redis-scripts.ts';

/** Chunks on their way: while Redis works on one, the next is encoded. */
const maxInFlight = 3;
/** Redis answers one MGET or UNLINK before it does anything else. */
const keysAtOnce = 1_000;

export class RedisGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #prefix: string;
  readonly #layout: RowLayout;
  readonly #encoding: ChunkEncoding;
  /** Where we believe the checkpoints to be; Redis corrects us. */
  readonly #next = new Map<PartitionKey, Offset>();

  constructor(parts: {
    redis: RedisConnection;
    names: RedisNames;
    view: ViewShape;
    id: GenerationId;
    layout: RowLayout;
    now: (() => number) | undefined;
  }) {
    const { names, view, id } = parts;
    this.#redis = parts.redis;
    this.#names = names;
    this.view = view;
    this.id = id;
    this.#layout = parts.layout;
    this.#prefix = names.row(view.name, id);
    const text = keyText(view);
    this.#encoding = {
      expiry: expiryOf(view, parts.now),
      layout: parts.layout,
      name: (key) => this.#prefix + text(key),
    };
  }

  step(): null {
    return null;
  }

  async checkpoint(): Promise<Checkpoint> {
    const reply = await this.#redis.send('HGETALL', [this.#names.checkpoint(this.view.name, this.id)]);
    return new Map(pairs(reply as string[]).map(([key, next]) => [key, Number(next)]));
  }

  async claim(topic: string, partition: number): Promise<Claim> {
    const key = partitionKey(topic, partition);
    const generations = this.#names.generations(this.view.name);
    const reply = await this.#redis.run(claimScript, [...this.#hashes(), generations, key, this.id]);
    const [epoch, next] = reply as number[];
    if (epoch === undefined || next === undefined) throw gone(this.view.name, this.id);
    this.#next.set(key, next);
    return { topic, partition, epoch, next };
  }

  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    const key = partitionKey(batch.topic, batch.partition);
    for (;;) {
      const start = Math.min(Math.max(batch.from, this.#next.get(key) ?? 0), batch.next);
      const stored = await this.#applyFrom(claim, batch, start);
      this.#next.set(key, stored);
      if (stored < batch.from) throw gap(this.view, batch, stored);
      if (stored >= batch.next) return;
    }
  }

  async erase(keys: readonly Key[]): Promise<void> {
    for (let from = 0; from < keys.length; from += keysAtOnce)
      await this.#redis.send(
        'UNLINK',
        keys.slice(from, from + keysAtOnce).map((key) => this.#encoding.name(key)),
      );
  }

  async get(key: Key): Promise<Row | null> {
    const [row] = await this.#layout.read(this.#redis, [this.#encoding.name(key)]);
    if (row) return row;
    await this.#exists();
    return null;
  }

  async getMany(keys: readonly Key[]): Promise<(Row | null)[]> {
    const rows: (Row | null)[] = [];
    for (let from = 0; from < keys.length; from += keysAtOnce) {
      const names = keys.slice(from, from + keysAtOnce).map((key) => this.#encoding.name(key));
      for (const row of await this.#layout.read(this.#redis, names)) rows.push(row);
    }
    if (rows.includes(null)) await this.#exists();
    return rows;
  }

  /** Remembers the name of every row while it runs, so that none is given twice. */
  async *scan(): AsyncGenerator<Row> {
    for await (const names of scanOnce(this.#redis, this.#prefix))
      for (const row of await this.#layout.read(this.#redis, names)) if (row !== null) yield row;
  }

  async count(): Promise<number> {
    let rows = 0;
    for await (const names of scanOnce(this.#redis, this.#prefix)) rows += names.length;
    return rows;
  }

  /** A row is missing: it does not exist, or the whole generation is gone, which Redis answers alike. */
  async #exists(): Promise<void> {
    const shape = await this.#redis.send('HGET', [this.#names.generations(this.view.name), this.id]);
    if (!shape) throw generationGone(this.view.name, this.id);
  }

  /** Applies what `start` and later leaves of the batch; returns where the checkpoint is then. */
  async #applyFrom(claim: Claim, batch: ViewBatch, start: Offset): Promise<Offset> {
    const inFlight: Promise<Offset | null>[] = [];
    try {
      for (const chunk of chunksOf(batch, start, this.#encoding)) {
        // A chunk whose predecessor failed finds the checkpoint elsewhere and does nothing.
        while (inFlight.length >= (chunk.op === 'truncate' ? 1 : maxInFlight)) {
          const elsewhere = await inFlight.shift()!;
          if (elsewhere !== null) return elsewhere;
        }
        const sent =
          chunk.op === 'truncate' ? this.#truncate(claim, batch, chunk) : this.#write(claim, batch, chunk);
        sent.catch(() => {});
        inFlight.push(sent);
      }
      for (const sent of inFlight) {
        const elsewhere = await sent;
        if (elsewhere !== null) return elsewhere;
      }
      return batch.next;
    } finally {
      await Promise.allSettled(inFlight);
    }
  }

  async #write(claim: Claim, batch: ViewBatch, chunk: Chunk & { op: 'write' }): Promise<Offset | null> {
    const { rows, ends, deleted } = chunk;
    const counts = [chunk.next, rows.length, ends.length];
    const args = [...this.#guard(claim, batch, chunk.from), ...counts, ...rows, ...ends, ...deleted];
    return this.#verdict(batch, await this.#redis.run(this.#layout.apply, args));
  }

  /** In slices, each of which checks the claim; the checkpoint moves last, so a crash begins the truncate again. */
  async #truncate(claim: Claim, batch: ViewBatch, chunk: Chunk): Promise<Offset | null> {
    const guard = this.#guard(claim, batch, chunk.from);
    const mark = this.#layout.mark(batch.partition);
    for await (const names of scanSlices(this.#redis, this.#prefix)) {
      const reply = await this.#redis.run(this.#layout.truncate, [...guard, mark, ...names]);
      const elsewhere = this.#verdict(batch, reply);
      if (elsewhere !== null) return elsewhere;
    }
    return this.#write(claim, batch, {
      op: 'write',
      from: chunk.from,
      next: chunk.next,
      rows: [],
      ends: [],
      deleted: [],
    });
  }

  #guard(claim: Claim, batch: ViewBatch, from: Offset): (string | number)[] {
    return [...this.#hashes(), partitionKey(batch.topic, batch.partition), claim.epoch, from];
  }

  #hashes(): [string, string] {
    const { name } = this.view;
    return [this.#names.epoch(name, this.id), this.#names.checkpoint(name, this.id)];
  }

  /** Null when the step was done, the stored checkpoint when it is not where the step begins. */
  #verdict(batch: ViewBatch, reply: unknown): Offset | null {
    const [kind, stored] = reply as [number, number];
    if (kind === answer.fenced) throw fenced(this.view, batch);
    if (kind === answer.gone) throw gone(this.view.name, this.id);
    return kind === answer.elsewhere ? stored : null;
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}
