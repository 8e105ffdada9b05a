import type { Consumer, EachBatchPayload, IHeaders } from 'kafkajs';
import {
  type Offset,
  type PartitionKey,
  parsePartitionKey,
  partitionKey,
  type TopicPartition,
} from '../../core/position.ts';
import type { ConsumeRequest, Headers, RecordBatch, StoredRecord } from '../log.ts';
import type { Handoff } from './handoff.ts';
import type { StartCheck } from './positions.ts';

export const heartbeatMs = 1_000;

/** A partition from its assignment to its loss. */
interface Assigned {
  /** Resolves once `next` is set and sought; false when that failed. */
  ready: Promise<boolean>;
  next: Offset | null;
  /** True once a batch from the wanted position arrived: from then on kafkajs' position is ours. */
  begun: boolean;
}

export interface ReaderParts {
  readonly consumer: Consumer;
  readonly request: ConsumeRequest;
  readonly handoff: Handoff<RecordBatch>;
  readonly check: StartCheck;
}

/** Keeps the positions of the partitions that kafkajs assigns, and turns its batches into ours. */
export class GroupReader {
  readonly #parts: ReaderParts;
  readonly #assigned = new Map<PartitionKey, Assigned>();
  readonly #committed = new Map<PartitionKey, Offset>();

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** A new assignment. Whatever was held may have been another's in the meantime, so all is begun anew. */
  joined(assignment: Readonly<Record<string, readonly number[]>>): void {
    const lost = [...this.#assigned.keys()];
    this.#assigned.clear();
    this.#committed.clear();
    for (const key of lost) {
      const { topic, partition } = parsePartitionKey(key);
      this.#parts.request.revoked?.(topic, partition);
    }
    for (const [topic, partitions] of Object.entries(assignment))
      for (const partition of partitions) this.#assign(topic, partition);
  }

  async eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const state = this.#assigned.get(partitionKey(batch.topic, batch.partition));
    if (!state || !(await heartbeating(payload, state.ready))) return;
    if (!this.#holds(batch, state) || payload.isStale()) return;
    if (!(await this.#inPlace(payload, state))) return;
    const next = Number(batch.lastOffset()) + 1;
    const offer = this.#parts.handoff.offer({
      topic: batch.topic,
      partition: batch.partition,
      records: batch.messages.map(toRecord),
      next,
      end: Math.max(Number(batch.highWatermark), next),
    });
    const taken = await heartbeating(payload, offer.taken, offer.withdraw);
    if (!taken || !this.#holds(batch, state)) return;
    state.next = next;
    payload.resolveOffset(batch.lastOffset());
  }

  /** kafkajs goes past transaction markers and aborted records by itself; our positions must follow. */
  passed(at: {
    topic: string;
    partition: number;
    firstOffset: string | null;
    lastOffset: string;
    end: string;
  }): void {
    const { topic, partition } = at;
    const state = this.#assigned.get(partitionKey(topic, partition));
    if (!state || state.next === null || at.firstOffset === null) return;
    const next = Number(at.lastOffset) + 1;
    if (next <= state.next || !(state.begun || Number(at.firstOffset) === state.next)) return;
    state.next = next;
    state.begun = true;
    this.#parts.handoff.offer({ topic, partition, records: [], next, end: Math.max(Number(at.end), next) });
  }

  /** Tells the group how far we are, which only serves those who watch its lag. */
  async commit(): Promise<void> {
    const moved = [...this.#assigned]
      .filter(([key, { next, begun }]) => begun && next !== null && this.#committed.get(key) !== next)
      .map(([key, { next }]) => ({ key, offset: next ?? 0 }));
    if (moved.length === 0) return;
    for (const { key, offset } of moved) this.#committed.set(key, offset);
    await this.#parts.consumer
      .commitOffsets(moved.map(({ key, offset }) => ({ ...parsePartitionKey(key), offset: String(offset) })))
      .catch(() => {});
  }

  #assign(topic: string, partition: number): void {
    const state: Assigned = { ready: Promise.resolve(false), next: null, begun: false };
    this.#assigned.set(partitionKey(topic, partition), state);
    state.ready = this.#start({ topic, partition }, state);
  }

  async #start(at: TopicPartition, state: Assigned): Promise<boolean> {
    const { request, check, consumer, handoff } = this.#parts;
    try {
      const offset = await request.from(at.topic, at.partition);
      if (!this.#holds(at, state)) return false;
      await check({ ...at, offset });
      if (!this.#holds(at, state) || handoff.ended) return false;
      state.next = offset;
      consumer.seek({ ...at, offset: String(offset) });
      return true;
    } catch (error) {
      // What an earlier assignment meets says nothing about the present one.
      if (this.#holds(at, state)) handoff.fail(error);
      return false;
    }
  }

  #holds({ topic, partition }: TopicPartition, state: Assigned): boolean {
    return this.#assigned.get(partitionKey(topic, partition)) === state;
  }

  /** True when the batch was fetched from where we are. Where a fetch started is the batch's own knowledge. */
  async #inPlace({ batch }: EachBatchPayload, state: Assigned): Promise<boolean> {
    const { topic, partition } = batch;
    const fetched = Number((batch as { fetchedOffset?: string }).fetchedOffset);
    const wanted = state.next ?? 0;
    if (fetched === wanted) {
      state.begun = true;
      return true;
    }
    if (!state.begun) {
      this.#parts.consumer.seek({ topic, partition, offset: String(wanted) });
      return false;
    }
    // kafkajs silently goes on elsewhere when the offset is gone from the broker.
    try {
      await this.#parts.check({ topic, partition, offset: wanted });
    } catch (error) {
      this.#parts.handoff.fail(error);
      return false;
    }
    if (fetched > wanted) return true;
    this.#parts.consumer.seek({ topic, partition, offset: String(wanted) });
    return false;
  }
}

/** Waits while the membership is kept alive; `lost` is called when the group is being shared anew. */
async function heartbeating<T>(
  payload: EachBatchPayload,
  promise: Promise<T>,
  lost?: () => void,
): Promise<T> {
  const timer = setInterval(() => payload.heartbeat().catch(() => lost?.()), heartbeatMs);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}

function toRecord(message: EachBatchPayload['batch']['messages'][number]): StoredRecord {
  return {
    offset: Number(message.offset),
    key: message.key,
    value: message.value,
    headers: (message.headers ?? none) as IHeaders as Headers,
    timestamp: Number(message.timestamp),
  };
}

const none: Headers = {};
