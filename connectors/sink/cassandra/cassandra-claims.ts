import type { types } from 'cassandra-driver';
import type { Checkpoint, Offset, TopicPartition } from '../../../core/position.ts';
import { parsePartitionKey, partitionKey } from '../../../core/position.ts';
import type { GenerationId } from '../../../core/view.ts';
import { gone } from '../store-errors.ts';
import type { Claim } from '../view-store.ts';
import type { CassandraConnection } from './cassandra-connection.ts';
import type { Tables } from './cassandra-schema.ts';

/** Who writes a partition, and how far it is. */
export interface ClaimState {
  readonly epoch: number;
  readonly next: Offset;
}

/** Claims and checkpoints of one generation, moved by lightweight transactions only. */
export class CassandraClaims {
  readonly #connection: CassandraConnection;
  readonly #tables: Tables;
  readonly #view: string;
  readonly #id: bigint;
  #listing: Promise<unknown> = Promise.resolve();

  constructor(parts: { connection: CassandraConnection; tables: Tables; view: string; id: GenerationId }) {
    this.#connection = parts.connection;
    this.#tables = parts.tables;
    this.#view = parts.view;
    this.#id = BigInt(parts.id);
  }

  async checkpoint(): Promise<Checkpoint> {
    const sources = await this.#sources();
    const states = await Promise.all(sources.map((source) => this.read(parsePartitionKey(source))));
    return new Map(sources.map((source, i) => [source, states[i]?.next ?? 0]));
  }

  async claim(of: TopicPartition): Promise<Claim> {
    // One after the other: the list is one row, and transactions on one row get in each other's way.
    this.#listing = this.#listing.catch(() => {}).then(() => this.#list(of));
    await this.#listing;
    let known = await this.read(of);
    for (;;) {
      const { epoch, next } = known ?? { epoch: 0, next: 0 };
      const taken = known
        ? await this.#connection.compareAndSet(
            `UPDATE ${this.#tables.claims} SET epoch = ? WHERE ${where} IF epoch = ? AND next = ?`,
            [BigInt(epoch + 1), ...this.#key(of), BigInt(epoch), BigInt(next)],
          )
        : await this.#connection.compareAndSet(
            `INSERT INTO ${this.#tables.claims} (view_name, generation, topic, partition, epoch, next)
             VALUES (?, ?, ?, ?, 1, 0) IF NOT EXISTS`,
            this.#key(of),
          );
      if (taken.wasApplied()) {
        await this.#refuseDropped(of);
        return { topic: of.topic, partition: of.partition, epoch: epoch + 1, next };
      }
      known = stateOf(taken.first());
    }
  }

  async read(of: TopicPartition): Promise<ClaimState | null> {
    const found = await this.#connection.readSerial(
      `SELECT epoch, next FROM ${this.#tables.claims} WHERE ${where}`,
      this.#key(of),
    );
    return stateOf(found.first());
  }

  /** Moves the checkpoint forward to `next`. False when the claim is void. */
  async advance(claim: Claim, from: Offset, next: Offset): Promise<boolean> {
    let stored = from;
    while (stored < next) {
      const moved = await this.#connection.compareAndSet(
        `UPDATE ${this.#tables.claims} SET next = ? WHERE ${where} IF epoch = ? AND next = ?`,
        [BigInt(next), ...this.#key(claim), BigInt(claim.epoch), BigInt(stored)],
      );
      if (moved.wasApplied()) return true;
      const now = stateOf(moved.first());
      if (now?.epoch !== claim.epoch) return false;
      stored = now.next;
    }
    return true;
  }

  async remove(): Promise<void> {
    for (const source of await this.#sources())
      await this.#connection.compareAndSet(
        `DELETE FROM ${this.#tables.claims} WHERE ${where} IF EXISTS`,
        this.#key(parsePartitionKey(source)),
      );
  }

  async #list(of: TopicPartition): Promise<void> {
    const source = partitionKey(of.topic, of.partition);
    if ((await this.#sources()).includes(source)) return;
    const listed = await this.#connection.compareAndSet(
      `UPDATE ${this.#tables.generations} SET sources = sources + ?
       WHERE view_name = ? AND generation = ? IF ready = true`,
      [[source], this.#view, this.#id],
    );
    if (!listed.wasApplied()) throw gone(this.#view, Number(this.#id));
  }

  /** A drop may have begun since the partition was listed, and passed over a claim that was not there yet. */
  async #refuseDropped(of: TopicPartition): Promise<void> {
    const found = await this.#connection.readSerial(
      `SELECT ready FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ?`,
      [this.#view, this.#id],
    );
    if (found.first()?.ready === true) return;
    await this.#connection.compareAndSet(
      `DELETE FROM ${this.#tables.claims} WHERE ${where} IF EXISTS`,
      this.#key(of),
    );
    throw gone(this.#view, Number(this.#id));
  }

  async #sources(): Promise<string[]> {
    const found = await this.#connection.readSerial(
      `SELECT sources FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ?`,
      [this.#view, this.#id],
    );
    return (found.first()?.sources as string[] | null | undefined) ?? [];
  }

  #key(of: TopicPartition): unknown[] {
    return [this.#view, this.#id, of.topic, of.partition];
  }
}

const where = 'view_name = ? AND generation = ? AND topic = ? AND partition = ?';

function stateOf(row: types.Row | null): ClaimState | null {
  // A transaction that found no row answers with `[applied]` alone.
  if (!row || row.epoch === null || row.epoch === undefined) return null;
  return { epoch: Number(row.epoch), next: Number(row.next) };
}
