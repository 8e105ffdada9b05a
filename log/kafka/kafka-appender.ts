import { CompressionTypes, type Kafka, type Producer, type TopicMessages } from 'kafkajs';
import type { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { classifyKafka } from './kafka-errors.ts';

/** What a request holds for one partition at most: below the brokers' usual limit of 1 MiB for a record batch. */
const maxPartitionBytes = 900_000;
/** What a request holds in all. */
const maxRequestBytes = 8 << 20;

interface Waiting {
  readonly records: readonly LogRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Appends with the idempotent producer, one request under way at a time, because that is the only way in which
 * kafkajs keeps a partition's order: it gives a batch its sequence number when it is sent and counts on when it
 * succeeded, so a failed batch that is sent again behind a later one is accepted there (docs/adr/0001). What is
 * appended meanwhile gathers and goes out together, so the single request loses no throughput to latency.
 */
export class KafkaAppender {
  readonly #producer: Producer;
  readonly #compression: CompressionTypes;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | null = null;
  #connected: Promise<void> | null = null;
  #failed: InsideoutError | null = null;

  constructor(kafka: Kafka, compression: 'none' | 'gzip') {
    this.#producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 50, retries: 8, maxRetryTime: 5_000 },
    });
    this.#compression = compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      this.#sending ??= this.#send();
    });
  }

  recover(): void {
    this.#failed = null;
  }

  async close(): Promise<void> {
    await this.#sending?.catch(() => {});
    await this.#producer.disconnect().catch(() => {});
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        this.#connected ??= this.#producer.connect();
        await this.#connected;
        for (const request of requests(waiting))
          await this.#producer.sendBatch({
            topicMessages: request,
            acks: -1,
            compression: this.#compression,
          });
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        this.#connected = null;
        this.#failed = classifyKafka(error, 'appending records');
        for (const { reject } of [...waiting, ...this.#waiting]) reject(this.#failed);
        this.#waiting = [];
      }
    }
    this.#sending = null;
  }
}

/** Cuts what waits into requests that a broker takes, in order within each partition. */
function* requests(waiting: readonly Waiting[]): Generator<TopicMessages[]> {
  let topics = new Map<string, TopicMessages>();
  let bytesOf = new Map<string, number>();
  let bytes = 0;
  for (const { records } of waiting)
    for (const record of records) {
      const size = record.key.length + (record.value?.length ?? 0) + 100;
      const partition = `${record.topic}/${record.partition}`;
      const inPartition = bytesOf.get(partition) ?? 0;
      if (
        bytes > 0 &&
        (bytes + size > maxRequestBytes || (inPartition > 0 && inPartition + size > maxPartitionBytes))
      ) {
        yield [...topics.values()];
        topics = new Map();
        bytesOf = new Map();
        bytes = 0;
      }
      let topic = topics.get(record.topic);
      if (!topic) {
        topic = { topic: record.topic, messages: [] };
        topics.set(record.topic, topic);
      }
      topic.messages.push({
        partition: record.partition,
        key: record.key,
        value: record.value,
        timestamp: String(record.timestamp),
        ...(record.headers ? { headers: record.headers as Record<string, Buffer | string> } : {}),
      });
      bytesOf.set(partition, (bytesOf.get(partition) ?? 0) + size);
      bytes += size;
    }
  if (bytes > 0) yield [...topics.values()];
}
