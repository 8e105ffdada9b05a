import type { Kafka, Producer } from 'kafkajs';
import type { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { explicitPartitioner, sendConfirmed } from './confirmed-send.ts';
import { type ExistingTopics, ProducerTopics } from './producer-topics.ts';
import { requests } from './requests.ts';

interface Waiting {
  readonly records: readonly LogRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

export interface AppenderParts {
  readonly kafka: Kafka;
  readonly compression: 'none' | 'gzip';
  /** Reads max.message.bytes of the topics, and answers for each of them. */
  limits(topics: ReadonlySet<string>): Promise<(topic: string) => number>;
  readonly existing: ExistingTopics;
}

/**
 * Appends with the idempotent producer, one call under way at a time. That is the only order-proof way:
 * kafkajs takes a failed batch's sequence numbers back before it sends it again, so another call's batch could
 * go first and be accepted. What is appended meanwhile gathers and goes out together, so throughput does not
 * depend on the latency of a request (docs/adr/0001-kafka-ordering.md).
 */
export class KafkaAppender {
  readonly #parts: AppenderParts;
  readonly #topics: ProducerTopics;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | null = null;
  #producer: Promise<Producer> | null = null;
  #discarded: Promise<void> = Promise.resolve();
  #failed: InsideoutError | null = null;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#topics = new ProducerTopics(parts.existing);
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      this.#sending ??= this.#send();
    });
  }

  async recover(): Promise<void> {
    await this.#sending;
    await this.#discarded;
    this.#failed = null;
  }

  async close(): Promise<void> {
    await this.#sending;
    this.#discard();
    await this.#discarded;
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      const topics = new Set<string>();
      for (const { records } of waiting) for (const { topic } of records) topics.add(topic);
      try {
        const limit = await this.#parts.limits(topics);
        const producer = await this.#producerFor(topics);
        const records = waiting.length === 1 ? waiting[0]!.records : waiting.flatMap((w) => w.records);
        for (const topicMessages of requests(records, limit))
          await sendConfirmed(producer, { topicMessages, compression: this.#parts.compression });
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        this.#failed = await this.#topics.classify(error, topics, 'appending records');
        // The broker may have taken what failed here. With the same producer id it would then take the next
        // batch, which gets the same sequence numbers, for a repetition, and confirm it without writing it.
        this.#discard();
        for (const { reject } of [...waiting, ...this.#waiting]) reject(this.#failed);
        this.#waiting = [];
      }
    }
    this.#sending = null;
  }

  async #producerFor(topics: ReadonlySet<string>): Promise<Producer> {
    if (!(await this.#topics.add(topics))) {
      this.#discard();
      await this.#topics.add(topics);
    }
    this.#producer ??= connect(this.#parts.kafka);
    return this.#producer;
  }

  #discard(): void {
    const producer = this.#producer;
    this.#producer = null;
    this.#topics.clear();
    if (producer)
      this.#discarded = producer.then(
        (connected) => connected.disconnect().catch(() => {}),
        () => {},
      );
  }
}

async function connect(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: explicitPartitioner,
    retry: { initialRetryTime: 50, retries: 8, maxRetryTime: 5_000 },
  });
  await producer.connect();
  return producer;
}
