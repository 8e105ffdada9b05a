import { type Admin, Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import { confluentRegistry, type RegistryOptions } from '../avro/confluent-registry.ts';
import type { SchemaRegistry } from '../avro/schema-registry.ts';
import type { ConsumeRequest, Log, LogRecord, RecordBatch, TopicSpec } from '../log.ts';
import { KafkaAppender } from './kafka-appender.ts';
import { consume } from './kafka-consumer.ts';
import { classifyKafka } from './kafka-errors.ts';

export interface KafkaLogOptions {
  readonly brokers: readonly string[];
  readonly registry: RegistryOptions;
  readonly clientId?: string | undefined;
  readonly ssl?: boolean | undefined;
  readonly sasl?:
    | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
    | undefined;
  /** Of topics that are created. Default: the broker's own. */
  readonly replicationFactor?: number | undefined;
  readonly compression?: 'none' | 'gzip' | undefined;
}

/** A record of up to 8 MiB, where Kafka's default is 1 MiB: rows with documents in them are larger than that. */
const maxMessageBytes = 8 << 20;

/** The Log as Kafka topics. Connects when first needed. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  return new KafkaLog(options);
}

class KafkaLog implements Log {
  readonly schemas: SchemaRegistry;
  readonly #options: KafkaLogOptions;
  readonly #kafka: Kafka;
  readonly #appender: KafkaAppender;
  #admin: Promise<Admin> | null = null;
  #closed = false;

  constructor(options: KafkaLogOptions) {
    this.#options = options;
    this.#kafka = new Kafka({
      clientId: options.clientId ?? 'insideout',
      brokers: [...options.brokers],
      ssl: options.ssl ?? false,
      ...(options.sasl ? ({ sasl: options.sasl } as Pick<KafkaConfig, 'sasl'>) : {}),
      // Errors are thrown; the library would print them as well, and its normal start-up retries with them.
      logLevel: logLevel.NOTHING,
      connectionTimeout: 5_000,
      retry: { initialRetryTime: 50, retries: 5, maxRetryTime: 2_000 },
    });
    this.schemas = confluentRegistry(options.registry);
    this.#appender = new KafkaAppender(this.#kafka, options.compression ?? 'none');
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.#withAdmin('creating topics', async (admin) => {
      const existing = await this.#partitions(
        admin,
        topics.map((t) => t.name),
      );
      for (const spec of topics) {
        const count = existing.get(spec.name);
        if (count !== undefined && count !== spec.partitions)
          throw new InsideoutError(
            'LOG_TOPIC',
            `The topic "${spec.name}" has ${count} partitions, not ${spec.partitions}.`,
            {
              hint: `Set partitions to ${count}: changing the number would move keys between partitions.`,
            },
          );
      }
      const missing = topics.filter((t) => !existing.has(t.name));
      if (missing.length === 0) return;
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map((spec) => ({
          topic: spec.name,
          numPartitions: spec.partitions,
          replicationFactor: this.#options.replicationFactor ?? -1,
          configEntries: [
            { name: 'cleanup.policy', value: spec.cleanup },
            { name: 'max.message.bytes', value: String(maxMessageBytes) },
            ...(spec.cleanup === 'delete'
              ? [{ name: 'retention.ms', value: String(spec.retentionMs ?? -1) }]
              : []),
          ],
        })),
      });
    });
  }

  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#withAdmin('looking topics up', (admin) => this.#partitions(admin, topics));
  }

  topics(): Promise<string[]> {
    return this.#withAdmin('listing topics', (admin) => admin.listTopics());
  }

  append(records: readonly LogRecord[]): Promise<void> {
    return this.#closed ? Promise.reject(closed()) : this.#appender.append(records);
  }

  async recover(): Promise<void> {
    this.#appender.recover();
  }

  async *consume(request: ConsumeRequest): AsyncGenerator<RecordBatch> {
    yield* consume(this.#kafka, await this.#connectedAdmin(`reading ${request.topics.join(', ')}`), request);
  }

  offsets(topics: readonly string[]): Promise<ReadonlyMap<string, { first: Offset; end: Offset }>> {
    return this.#withAdmin('reading offsets', async (admin) => {
      const existing = await this.#partitions(admin, topics);
      const offsets = new Map<string, { first: Offset; end: Offset }>();
      for (const topic of existing.keys())
        for (const o of await admin.fetchTopicOffsets(topic))
          offsets.set(`${topic}/${o.partition}`, { first: Number(o.low), end: Number(o.high) });
      return offsets;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#appender.close();
    await (await this.#admin?.catch(() => null))?.disconnect().catch(() => {});
  }

  /** Listing first: asking for the metadata of a topic that does not exist makes the client retry for a while. */
  async #partitions(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
    const all = new Set(await admin.listTopics());
    const present = topics.filter((t) => all.has(t));
    if (present.length === 0) return new Map();
    const metadata = await admin.fetchTopicMetadata({ topics: present });
    return new Map(metadata.topics.map((t) => [t.name, t.partitions.length]));
  }

  async #withAdmin<T>(doing: string, work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = await this.#connectedAdmin(doing);
    try {
      return await work(admin);
    } catch (error) {
      throw classifyKafka(error, doing);
    }
  }

  async #connectedAdmin(doing: string): Promise<Admin> {
    if (this.#closed) throw closed();
    try {
      this.#admin ??= connect(this.#kafka);
      return await this.#admin;
    } catch (error) {
      this.#admin = null;
      throw classifyKafka(error, doing);
    }
  }
}

async function connect(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  await admin.connect();
  return admin;
}

function closed(): InsideoutError {
  return new InsideoutError('LOG_CLOSED', 'The Log was closed.', { hint: 'Open it again.' });
}
