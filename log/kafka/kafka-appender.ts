import { setTimeout as wait } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import type { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { BatchProducer, type Request } from './batch-producer.ts';
import { mayPass } from './kafka-errors.ts';
import { type ExistingTopics, ProducerTopics } from './producer-topics.ts';
import { requests } from './requests.ts';

interface Waiting {
  readonly records: readonly LogRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

/** A request, and whose records are all stored once it is. */
interface Chunk {
  readonly request: Request;
  readonly topics: ReadonlySet<string>;
  readonly done: readonly Waiting[];
}

/** What of a producer is used. */
export interface Producer extends Pick<BatchProducer, 'mayFollow' | 'close'> {
  send(request: Request): Promise<unknown>;
}

export interface AppenderParts {
  readonly kafka: Kafka;
  readonly compression: 'none' | 'gzip';
  /** Reads max.message.bytes of the topics, and answers for each of them. */
  limits(topics: ReadonlySet<string>): Promise<(topic: string) => number>;
  readonly existing: ExistingTopics;
  /** Default: a producer on a cluster of its own. */
  readonly connect?: () => Promise<Producer>;
  /** Pauses before further attempts, milliseconds. Default: eight, from 0.05 to 5 seconds. */
  readonly pauses?: readonly number[];
}

/** While the broker writes one request the next is encoded, and one more is on its way. */
const maxInFlight = 3;
const nothing = () => {};
const pauses = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000];

/**
 * Appends with an idempotent producer, a few requests in flight. When one fails with what may pass, everything
 * that is not confirmed is sent again in order, by a new producer (go back n), so nothing overtakes what was lost:
 * docs/adr/0001-kafka-ordering.md. What is appended meanwhile gathers and goes out together.
 */
export class KafkaAppender {
  readonly #parts: AppenderParts;
  readonly #topics: ProducerTopics;
  #waiting: Waiting[] = [];
  #chunks: Chunk[] = [];
  #inFlight: { readonly chunk: Chunk; readonly sent: Promise<unknown> }[] = [];
  #sending: Promise<void> | null = null;
  #arrived = nothing;
  #producer: Producer | null = null;
  #discarded: Promise<void> = Promise.resolve();
  #failed: InsideoutError | null = null;
  /** In a row, since the last answer that was well. */
  #failures = 0;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#topics = new ProducerTopics(parts.existing);
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      this.#arrived();
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
    while (this.#waiting.length + this.#chunks.length + this.#inFlight.length > 0) {
      try {
        await this.#step();
      } catch (error) {
        const topics = await this.#goBack();
        const pause = (this.#parts.pauses ?? pauses)[this.#failures++];
        if (pause !== undefined && mayPass(error)) {
          await wait(pause);
          continue;
        }
        this.#failures = 0;
        this.#failed = await this.#topics.classify(error, topics, 'appending records');
        this.#rejectAll(this.#failed);
      }
    }
    this.#sending = null;
  }

  /** Sends what may be sent, or waits for an answer or for more to send. Throws the first failure. */
  async #step(): Promise<void> {
    if (this.#chunks.length === 0 && this.#waiting.length > 0 && this.#inFlight.length < maxInFlight) {
      await this.#cut();
    }
    const next = this.#chunks[0];
    if (next && this.#inFlight.length < maxInFlight) {
      const producer = this.#inFlight.length === 0 ? await this.#producerFor(next.topics) : this.#producer;
      if (
        producer &&
        (this.#inFlight.length === 0 || (this.#knows(next) && producer.mayFollow(next.request)))
      ) {
        this.#chunks.shift();
        const sent = producer.send(next.request);
        sent.catch(() => {});
        this.#inFlight.push({ chunk: next, sent });
        return;
      }
    }
    const oldest = this.#inFlight[0];
    if (!oldest) return;
    // Something that arrives may leave at once while there is room; otherwise only an answer makes room.
    const full = next !== undefined || this.#inFlight.length >= maxInFlight;
    if ((await (full ? oldest.sent : Promise.race([oldest.sent, this.#more()]))) === 'more') return;
    this.#inFlight.shift();
    this.#failures = 0;
    for (const { resolve } of oldest.chunk.done) resolve();
  }

  /** Resolves when more is appended. */
  #more(): Promise<'more'> {
    return new Promise((resolve) => {
      this.#arrived = () => {
        this.#arrived = nothing;
        resolve('more');
      };
    });
  }

  async #cut(): Promise<void> {
    const waiting = this.#waiting;
    const topics = new Set<string>();
    for (const { records } of waiting) for (const { topic } of records) topics.add(topic);
    const limit = await this.#parts.limits(topics);
    this.#waiting = this.#waiting.slice(waiting.length);
    const records = waiting.length === 1 ? waiting[0]!.records : waiting.flatMap((w) => w.records);
    const all = [...requests(records, limit)];
    all.forEach((request, i) => {
      this.#chunks.push({ request, topics, done: i === all.length - 1 ? waiting : [] });
    });
  }

  /** Everything that is not confirmed is to be sent again, by another producer, once all answers are in. */
  async #goBack(): Promise<ReadonlySet<string>> {
    await Promise.allSettled(this.#inFlight.map(({ sent }) => sent));
    this.#chunks = [...this.#inFlight.map(({ chunk }) => chunk), ...this.#chunks];
    this.#inFlight = [];
    this.#discard();
    const topics = new Set<string>();
    for (const chunk of this.#chunks) for (const topic of chunk.topics) topics.add(topic);
    for (const { records } of this.#waiting) for (const { topic } of records) topics.add(topic);
    return topics;
  }

  #rejectAll(error: InsideoutError): void {
    const doomed = [...this.#chunks.flatMap(({ done }) => done), ...this.#waiting];
    this.#chunks = [];
    this.#waiting = [];
    for (const { reject } of doomed) reject(error);
  }

  /** True when the producer in use was given all of these topics. */
  #knows({ topics }: Chunk): boolean {
    return this.#topics.has(topics);
  }

  async #producerFor(topics: ReadonlySet<string>): Promise<Producer> {
    if (!(await this.#topics.add(topics))) {
      this.#discard();
      await this.#topics.add(topics);
    }
    const { kafka, compression, connect = () => BatchProducer.connect(kafka, compression) } = this.#parts;
    this.#producer ??= await connect();
    return this.#producer;
  }

  #discard(): void {
    const producer = this.#producer;
    this.#producer = null;
    this.#topics.clear();
    if (producer) this.#discarded = producer.close();
  }
}
