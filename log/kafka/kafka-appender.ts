import { CompressionTypes, type Kafka, type Producer, type TopicMessages } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { classifyKafka } from './kafka-errors.ts';
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
}

/**
 * Appends with the idempotent producer, one call under way at a time. That is the only order-proof way:
 * kafkajs takes a failed batch's sequence numbers back before it sends it again, so another call's batch could
 * go first and be accepted. What is appended meanwhile gathers and goes out together, so throughput does not
 * depend on the latency of a request (docs/adr/0001-kafka-ordering.md).
 */
export class KafkaAppender {
  readonly #parts: AppenderParts;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | null = null;
  #producer: Promise<Producer> | null = null;
  #discarded: Promise<void> = Promise.resolve();
  #failed: InsideoutError | null = null;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
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
      try {
        const topics = new Set<string>();
        for (const { records } of waiting) for (const { topic } of records) topics.add(topic);
        const limit = await this.#parts.limits(topics);
        this.#producer ??= connect(this.#parts.kafka);
        const producer = await this.#producer;
        const records = waiting.length === 1 ? waiting[0]!.records : waiting.flatMap((w) => w.records);
        for (const request of requests(records, limit)) await this.#sendRequest(producer, request);
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        this.#failed = classifyKafka(error, 'appending records');
        // The broker may have taken what failed here. With the same producer id it would then take the next
        // batch, which gets the same sequence numbers, for a repetition, and confirm it without writing it.
        this.#discard();
        for (const { reject } of [...waiting, ...this.#waiting]) reject(this.#failed);
        this.#waiting = [];
      }
    }
    this.#sending = null;
  }

  async #sendRequest(producer: Producer, topicMessages: TopicMessages[]): Promise<void> {
    const compression = this.#parts.compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
    const answers = await producer.sendBatch({ topicMessages, acks: -1, compression });
    const confirmed = new Set(answers.map((answer) => `${answer.topicName}/${answer.partition}`));
    // kafkajs leaves out a partition whose leader moved, while a request was repeated, to a broker that had
    // already answered: the call succeeds although the records are nowhere.
    for (const { topic, messages } of topicMessages)
      for (const { partition } of messages)
        if (!confirmed.has(`${topic}/${partition}`))
          throw new InsideoutError(
            'LOG_UNREACHABLE',
            `Kafka did not confirm partition ${partition} of ${topic}.`,
            {
              hint: 'Its leader moved; the append is repeated.',
            },
          );
  }

  #discard(): void {
    const producer = this.#producer;
    this.#producer = null;
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
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
    retry: { initialRetryTime: 50, retries: 8, maxRetryTime: 5_000 },
  });
  await producer.connect();
  return producer;
}
