import type { Admin, SeekEntry } from 'kafkajs';
import pRetry from 'p-retry';
import { closed } from '../closed.ts';
import { isLeaderComing } from './kafka-errors.ts';

/** First and next offset of a partition. The next one is past what is committed, markers included. */
export type PartitionOffsets = SeekEntry & { readonly high: string; readonly low: string };

export interface OffsetParts {
  /** Those of the topics that exist. */
  existing(topics: readonly string[]): Promise<readonly string[]>;
  connect(): Promise<Admin>;
}

/** One connection, and the topics that were asked for through it. */
interface Asking {
  readonly admin: Promise<Admin>;
  readonly topics: Set<string>;
  users: number;
}

/**
 * Asks for offsets by a connection of its own. kafkajs keeps every topic that a client was ever asked the offsets
 * of, and refuses all further work once one of them is deleted, by whomever: then a new client takes over.
 * Cluster#addMultipleTargetTopics in https://github.com/tulios/kafkajs/blob/v2.2.4/src/cluster/index.js
 */
export class OffsetReader {
  readonly #parts: OffsetParts;
  readonly #reading = new Set<Promise<unknown>>();
  #asking: Asking | null = null;
  #closed = false;

  constructor(parts: OffsetParts) {
    this.#parts = parts;
  }

  /**
   * The offsets of those of the topics that exist, by topic. A topic that was just created may not have its
   * leaders yet, which kafkajs takes for a failure: that is waited for, two seconds at most. Errors: `LOG_CLOSED`.
   */
  async read(topics: readonly string[]): Promise<Map<string, PartitionOffsets[]>> {
    if (this.#closed) throw closed();
    const reading = pRetry(() => this.#read(topics), {
      retries: 20,
      minTimeout: 50,
      maxTimeout: 100,
      shouldRetry: ({ error }) => !this.#closed && isLeaderComing(error),
    });
    this.#reading.add(reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(reading);
    }
  }

  /** A reading that went on behind it would open a connection that nobody closes, and the process would not end. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reading);
    const asking = this.#asking;
    this.#asking = null;
    if (asking) await disconnect(asking);
  }

  async #read(topics: readonly string[]): Promise<Map<string, PartitionOffsets[]>> {
    const known = [...(this.#asking?.topics ?? [])];
    const existing = new Set(await this.#parts.existing([...new Set([...topics, ...known])]));
    const asked = topics.filter((topic) => existing.has(topic));
    if (asked.length === 0) return new Map();
    const asking = this.#usable(new Set(known.filter((topic) => !existing.has(topic))));
    asking.users++;
    try {
      const admin = await asking.admin;
      for (const topic of asked) asking.topics.add(topic);
      const answers = await Promise.all(asked.map((topic) => admin.fetchTopicOffsets(topic)));
      return new Map(asked.map((topic, i) => [topic, answers[i]!]));
    } finally {
      // A connection that was replaced ends with its last user.
      if (--asking.users === 0 && this.#asking !== asking) void disconnect(asking);
    }
  }

  #usable(gone: ReadonlySet<string>): Asking {
    const before = this.#asking;
    if (before && ![...before.topics].some((topic) => gone.has(topic))) return before;
    const asking: Asking = { admin: this.#parts.connect(), topics: new Set(), users: 0 };
    this.#asking = asking;
    asking.admin.catch(() => {
      if (this.#asking === asking) this.#asking = null;
    });
    if (before?.users === 0) void disconnect(before);
    return asking;
  }
}

async function disconnect({ admin }: Asking): Promise<void> {
  await (await admin.catch(() => null))?.disconnect().catch(() => {});
}
