import type { Consumer } from 'kafkajs';
import {
  type Offset,
  type PartitionKey,
  parsePartitionKey,
  partitionKey,
  type TopicPartition,
} from '../../core/position.ts';
import type { ConsumeRequest, RecordBatch } from '../log.ts';
import type { Fetcher } from './fetcher.ts';
import type { Handoff } from './handoff.ts';
import type { StartCheck } from './positions.ts';

export const heartbeatMs = 1_000;

export interface ReaderParts {
  /** The member of the group; null for a reader that has every partition to itself. */
  readonly consumer: Consumer | null;
  readonly request: ConsumeRequest;
  readonly handoff: Handoff<RecordBatch>;
  readonly fetcher: Fetcher;
  readonly check: StartCheck;
}

/** From the partitions that a group gives to this member to what the fetcher reads of them. */
export class GroupReader {
  readonly #parts: ReaderParts;
  /** Each assignment of a partition is an object of its own, so that an earlier one is known as such. */
  readonly #assigned = new Map<PartitionKey, object>();
  readonly #committed = new Map<PartitionKey, Offset>();

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** A new assignment. Whatever was held may have been another's in the meantime, so all is begun anew. */
  joined(assignment: Readonly<Record<string, readonly number[]>>): void {
    const { fetcher, handoff, request } = this.#parts;
    const lost = [...this.#assigned.keys()];
    this.#assigned.clear();
    this.#committed.clear();
    fetcher.unassignAll();
    handoff.withdrawAll();
    for (const key of lost) {
      const { topic, partition } = parsePartitionKey(key);
      request.revoked?.(topic, partition);
    }
    const partitions = Object.entries(assignment).flatMap(([topic, list]) =>
      list.map((partition) => ({ topic, partition })),
    );
    fetcher.expect(partitions.length);
    for (const at of partitions) void this.#start(at);
  }

  /** Tells the group how far we are, which only serves those who watch its lag. */
  async commit(): Promise<void> {
    const moved = [...this.#parts.fetcher.positions()].filter(
      ([key, next]) => this.#committed.get(key) !== next,
    );
    if (moved.length === 0 || !this.#parts.consumer) return;
    for (const [key, next] of moved) this.#committed.set(key, next);
    await this.#parts.consumer
      .commitOffsets(moved.map(([key, next]) => ({ ...parsePartitionKey(key), offset: String(next) })))
      .catch(() => {});
  }

  async #start(at: TopicPartition): Promise<void> {
    const { request, check, fetcher, handoff } = this.#parts;
    const key = partitionKey(at.topic, at.partition);
    const mine = {};
    this.#assigned.set(key, mine);
    const holds = () => this.#assigned.get(key) === mine && !handoff.ended;
    try {
      const offset = await request.from(at.topic, at.partition);
      if (!holds()) return;
      await check({ ...at, offset });
      if (holds()) fetcher.assign(at, offset);
    } catch (error) {
      // What an earlier assignment meets says nothing about the present one.
      if (holds()) handoff.fail(error);
    }
  }
}
