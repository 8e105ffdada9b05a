import { type Admin, Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { type Offset, partitionKey } from '../../core/position.ts';
import { confluentRegistry, type RegistryOptions } from '../avro/confluent-registry.ts';
import type { SchemaRegistry } from '../avro/schema-registry.ts';
import { closed } from '../closed.ts';
import type {
  CompactOptions,
  ConsumeRequest,
  FencedWriter,
  Log,
  LogRecord,
  RecordBatch,
  TopicSpec,
} from '../log.ts';
import { compact, tombstoneRetention } from './compaction.ts';
import { type AppenderParts, KafkaAppender } from './kafka-appender.ts';
import { consume } from './kafka-consumer.ts';
import { classifyKafka } from './kafka-errors.ts';
import { KafkaFencedWriter } from './kafka-fenced-writer.ts';
import { lookOnlyWhenRequestsWait } from './kafkajs-idle.ts';
import { MessageLimits } from './message-limits.ts';
import { OffsetReader } from './partition-offsets.ts';
import { keepRetention } from './retention.ts';
import { checkTopics, deleteTopics, ensureTopics, partitionCounts } from './topics.ts';

export interface KafkaLogOptions {
  /** `host:port` of some of the brokers. */
  readonly brokers: readonly string[];
  readonly clientId?: string | undefined;
  readonly registry: RegistryOptions;
  readonly ssl?: boolean | undefined;
  readonly sasl?:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      }
    | undefined;
  /** Of topics that are created; the broker's default without it. */
  readonly replicationFactor?: number | undefined;
  readonly compression?: 'none' | 'gzip' | undefined;
}

/** The Log as Kafka with a Confluent-compatible schema registry. Connects when first needed. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  return new KafkaLog(options);
}

/** A broker that takes connections and says nothing would otherwise be waited for three times as long. */
const answerMs = 10_000;

class KafkaLog implements Log {
  readonly schemas: SchemaRegistry;
  readonly #kafka: Kafka;
  /** For questions, whose answers take no time; records and groups may take theirs. */
  readonly #asking: Kafka;
  readonly #replicationFactor: number | undefined;
  readonly #appending: AppenderParts;
  readonly #appender: KafkaAppender;
  readonly #writers = new Set<FencedWriter>();
  readonly #offsets: OffsetReader;
  readonly #compactions = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #admin: Promise<Admin> | null = null;

  constructor(options: KafkaLogOptions) {
    const settings: KafkaConfig = {
      brokers: [...options.brokers],
      clientId: options.clientId ?? 'insideout',
      connectionTimeout: 5_000,
      ssl: options.ssl ?? false,
      ...(options.sasl ? { sasl: options.sasl as SASLOptions } : {}),
      retry: { initialRetryTime: 50, maxRetryTime: 2_000, retries: 5 },
      // What goes wrong is thrown; the library would print it as well, and its normal start-up retries with it.
      logLevel: logLevel.NOTHING,
      logCreator: () => () => {},
    };
    lookOnlyWhenRequestsWait();
    this.#kafka = new Kafka(settings);
    this.#asking = new Kafka({ ...settings, requestTimeout: answerMs });
    this.#replicationFactor = options.replicationFactor;
    this.schemas = confluentRegistry(options.registry);
    const limits = new MessageLimits();
    this.#appending = {
      kafka: this.#kafka,
      compression: options.compression ?? 'none',
      limits: async (topics) => limits.of(topics, () => this.#connected()),
      existing: async () => new Set(await (await this.#connected()).listTopics()),
    };
    this.#appender = new KafkaAppender(this.#appending);
    this.#offsets = new OffsetReader({
      existing: async (topics) => [...(await partitionCounts(await this.#connected(), topics)).keys()],
      connect: () => connect(this.#kafka),
    });
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.#ask('creating topics', async (admin) => {
      await ensureTopics(admin, topics, this.#replicationFactor);
      await keepRetention(admin, topics);
    });
  }

  checkTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.#ask('asking whether topics may be created', (admin) =>
      checkTopics(admin, topics, this.#replicationFactor),
    );
  }

  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#ask('reading topics', (admin) => partitionCounts(admin, topics));
  }

  topics(): Promise<string[]> {
    return this.#ask('listing topics', async (admin) => (await admin.listTopics()).sort());
  }

  deleteTopics(names: readonly string[]): Promise<void> {
    return this.#ask('deleting topics', (admin) => deleteTopics(admin, names));
  }

  async fencedWriter(id: string): Promise<FencedWriter> {
    if (this.#closing.signal.aborted) throw closed();
    const opened = await KafkaFencedWriter.open(this.#appending, id);
    const writer: FencedWriter = {
      append: (records) => opened.append(records),
      close: () => {
        this.#writers.delete(writer);
        return opened.close();
      },
    };
    this.#writers.add(writer);
    // The Log may have been closed while the writer was being opened.
    if (this.#closing.signal.aborted) await writer.close();
    return writer;
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    if (this.#closing.signal.aborted) throw closed();
    if (records.length > 0) await this.#appender.append(records);
  }

  recover(): Promise<void> {
    return this.#appender.recover();
  }

  async *consume(request: ConsumeRequest): AsyncGenerator<RecordBatch> {
    if (this.#closing.signal.aborted) throw closed();
    const signal = AbortSignal.any([request.signal, this.#closing.signal]);
    const admin = await this.#ask(`reading ${request.topics.join(', ')}`, async (connected) => connected);
    const parts = { kafka: this.#kafka, admin, offsets: this.#offsets };
    yield* consume(parts, { ...withCallbacks(request), signal });
    if (!request.signal.aborted && this.#closing.signal.aborted) throw closed();
  }

  offsets(topics: readonly string[]): Promise<ReadonlyMap<string, { first: Offset; end: Offset }>> {
    return this.#ask('reading offsets', async () => {
      const found = new Map<string, { first: Offset; end: Offset }>();
      for (const [topic, partitions] of await this.#offsets.read(topics))
        for (const { partition, low, high } of partitions)
          found.set(partitionKey(topic, partition), { first: Number(low), end: Number(high) });
      return found;
    });
  }

  async compact(topics: readonly string[], options: CompactOptions): Promise<void> {
    const running = this.#compact(topics, options);
    const ended = running.catch(() => {});
    this.#compactions.add(ended);
    await running.finally(() => this.#compactions.delete(ended));
  }

  tombstoneRetention(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#ask('reading settings of topics', (admin) => tombstoneRetention(admin, topics));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    // They give the topics back their settings.
    await Promise.all(this.#compactions);
    await this.#appender.close();
    await Promise.all([...this.#writers].map((writer) => writer.close()));
    await this.#offsets.close();
    await (await this.#admin?.catch(() => null))?.disconnect().catch(() => {});
  }

  async #compact(topics: readonly string[], options: CompactOptions): Promise<void> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    // Of its own, so that what fails here keeps nobody else from appending.
    const appender = new KafkaAppender(this.#appending);
    const log = {
      consume: (request: ConsumeRequest) => this.consume(request),
      offsets: (names: readonly string[]) => this.offsets(names),
      ensureTopics: (specs: readonly TopicSpec[]) => this.ensureTopics(specs),
      append: (records: readonly LogRecord[]) => appender.append(records),
    };
    try {
      await this.#ask(`compacting ${topics.join(', ')}`, (admin) =>
        compact({ kafka: this.#kafka, admin, log }, topics, { ...options, signal }),
      );
    } catch (error) {
      options.signal.throwIfAborted();
      if (this.#closing.signal.aborted) throw closed();
      throw error;
    } finally {
      await appender.close();
    }
  }

  async #ask<T>(doing: string, work: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw closed();
    try {
      return await work(await this.#connected());
    } catch (error) {
      throw classifyKafka(error, doing);
    }
  }

  async #connected(): Promise<Admin> {
    this.#admin ??= connect(this.#asking);
    try {
      return await this.#admin;
    } catch (error) {
      this.#admin = null;
      throw error;
    }
  }
}

async function connect(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  await admin.connect();
  return admin;
}

/** The request as a plain object whose callbacks keep their `this`. */
function withCallbacks(request: ConsumeRequest): ConsumeRequest {
  return {
    ...(request.group === undefined ? {} : { group: request.group }),
    topics: request.topics,
    from: (topic, partition) => request.from(topic, partition),
    revoked: (topic, partition) => request.revoked?.(topic, partition),
    signal: request.signal,
  };
}
