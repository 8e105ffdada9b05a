import { setTimeout as wait } from 'node:timers/promises';
import type { Producer, Transaction } from 'kafkajs';
import pRetry from 'p-retry';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset, PartitionKey } from '../../core/position.ts';
import type { FencedWriter, LogRecord } from '../log.ts';
import { explicitPartitioner, sendConfirmed } from './confirmed-send.ts';
import type { AppenderParts } from './kafka-appender.ts';
import { classifyKafka, isCoordinatorComing } from './kafka-errors.ts';
import { ProducerTopics } from './producer-topics.ts';
import { requests } from './requests.ts';

/**
 * How long a transaction may stay open. Readers wait before the records of an open transaction, so this is also
 * how long a writer that was killed holds them up when no other takes its id over.
 */
const transactionMs = 30_000;

/**
 * Kafka answers CONCURRENT_TRANSACTIONS while it still writes the markers of the transaction before, which takes
 * some milliseconds; kafkajs' own first pause of 300 ms would be most of what an append takes.
 */
const retry = { initialRetryTime: 4, multiplier: 2, maxRetryTime: 2_000, retries: 11 };

/**
 * Appends in transactions, one for each call. The transactional id is the fence: whoever initializes it last has
 * it, and the coordinator aborts what an earlier producer left open.
 * https://kafka.apache.org/documentation/#producerconfigs_transactional.id
 */
export class KafkaFencedWriter implements FencedWriter {
  readonly #parts: AppenderParts;
  readonly #id: string;
  readonly #producer: Producer;
  readonly #topics: ProducerTopics;
  #writing: Promise<void> | null = null;
  #failed: InsideoutError | null = null;

  private constructor(parts: AppenderParts, id: string) {
    this.#parts = parts;
    this.#id = id;
    this.#topics = new ProducerTopics(parts.existing);
    this.#producer = parts.kafka.producer({
      transactionalId: id,
      transactionTimeout: transactionMs,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: explicitPartitioner,
      retry,
    });
  }

  /** Resolves once the id is this writer's. Waits for a transaction coordinator that only comes up, 10 s at most. */
  static async open(parts: AppenderParts, id: string): Promise<KafkaFencedWriter> {
    const writer = new KafkaFencedWriter(parts, id);
    try {
      await writer.#producer.connect();
      // kafkajs takes the id with the first transaction; an empty one is not even sent.
      const first = await pRetry(() => writer.#producer.transaction(), {
        retries: 20,
        minTimeout: 50,
        maxTimeout: 500,
        shouldRetry: ({ error }) => isCoordinatorComing(error),
      });
      await first.abort();
      return writer;
    } catch (error) {
      await writer.#producer.disconnect().catch(() => {});
      throw classifyKafka(error, `taking over appending as "${id}"`);
    }
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    if (this.#writing)
      return Promise.reject(
        new InsideoutError('INTERNAL', `Two appends as "${this.#id}" were made at once.`, {
          hint: 'Please report this.',
        }),
      );
    if (records.length === 0) return Promise.resolve();
    this.#writing = this.#append(records).finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.#writing?.catch(() => {});
    this.#failed ??= new InsideoutError('LOG_CLOSED', `The writer "${this.#id}" was closed.`, {
      hint: 'Open it again.',
    });
    await this.#producer.disconnect().catch(() => {});
  }

  /**
   * Kafka answers a commit before it has written the markers that show it to readers. Who asks for the end of the
   * topic in between would take it for shorter than it is.
   */
  async #visible(written: ReadonlyMap<PartitionKey, Offset>, topics: readonly string[]): Promise<void> {
    for (let look = 0; look < looks; look++) {
      const ends = await this.#parts.ends(topics);
      // While a transaction is open, what is committed ends before its first record.
      if ([...written].every(([key, base]) => (ends.get(key)?.end ?? 0) > base)) return;
      await wait(lookMs);
    }
    throw new InsideoutError('LOG_UNREACHABLE', 'Kafka does not show what was committed.', {
      hint: 'The append is repeated.',
    });
  }

  async #append(records: readonly LogRecord[]): Promise<void> {
    const topics = new Set(records.map((record) => record.topic));
    try {
      const limit = await this.#parts.limits(topics);
      const transaction = await this.#producer.transaction();
      try {
        const written = new Map<PartitionKey, Offset>();
        for (const request of requests(records, limit))
          for (const [key, base] of await sendConfirmed(transaction, {
            request,
            compression: this.#parts.compression,
          }))
            written.set(key, base);
        await transaction.commit();
        await this.#visible(written, [...topics]);
      } catch (error) {
        await abort(transaction);
        throw error;
      }
    } catch (error) {
      // Whether a commit that was not answered took place, and which sequence numbers the broker has seen, only
      // a new epoch settles.
      this.#failed = await this.#topics.classify(error, topics, `appending as "${this.#id}"`);
      await this.#producer.disconnect().catch(() => {});
      throw this.#failed;
    }
  }
}

/** How often, and in what pauses, it is looked whether a commit is visible; its markers take milliseconds. */
const looks = 2_000;
const lookMs = 2;

/** Best effort: a new writer of the same id aborts what is left open, and so does the coordinator after a while. */
async function abort(transaction: Transaction): Promise<void> {
  if (transaction.isActive()) await transaction.abort().catch(() => {});
}
