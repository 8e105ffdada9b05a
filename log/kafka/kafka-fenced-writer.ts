import { setTimeout as wait } from 'node:timers/promises';
import pRetry from 'p-retry';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { FencedWriter, LogRecord } from '../log.ts';
import { BatchProducer, producingCluster } from './batch-producer.ts';
import { committedEnds } from './committed-ends.ts';
import type { AppenderParts } from './kafka-appender.ts';
import { classifyKafka, isLeaderComing } from './kafka-errors.ts';
import type { Cluster } from './kafkajs-cluster.ts';
import { ProducerTopics } from './producer-topics.ts';
import { requests } from './requests.ts';
import { Transactions } from './transactions.ts';

interface FencedParts extends Pick<AppenderParts, 'compression' | 'limits'> {
  readonly id: string;
  readonly cluster: Cluster;
  readonly transactions: Transactions;
  readonly topics: ProducerTopics;
}

/**
 * Appends in transactions, one for each call. The transactional id is the fence: whoever opened it last has it.
 * After a failure the writer is of no more use: whether a commit that was not answered took place, and which
 * sequence numbers the broker has seen, only a new epoch settles.
 */
export class KafkaFencedWriter implements FencedWriter {
  readonly #parts: FencedParts;
  readonly #producer: BatchProducer;
  #writing: Promise<void> | null = null;
  #failed: InsideoutError | null = null;

  private constructor(parts: FencedParts) {
    this.#parts = parts;
    const { cluster, compression, transactions } = parts;
    this.#producer = new BatchProducer({ cluster, compression, identity: transactions.producer });
  }

  /** Resolves once the id is this writer's. */
  static async open(parts: AppenderParts, id: string): Promise<KafkaFencedWriter> {
    const cluster = producingCluster(parts.kafka);
    try {
      await cluster.connect();
      const transactions = await Transactions.open(cluster, id);
      const topics = new ProducerTopics(parts.existing);
      return new KafkaFencedWriter({ ...parts, id, cluster, transactions, topics });
    } catch (error) {
      await cluster.disconnect().catch(() => {});
      throw classifyKafka(error, `taking over appending as "${id}"`);
    }
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    if (this.#writing)
      return Promise.reject(
        new InsideoutError('INTERNAL', `Two appends as "${this.#parts.id}" were made at once.`, {
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
    this.#failed ??= new InsideoutError('LOG_CLOSED', `The writer "${this.#parts.id}" was closed.`, {
      hint: 'Open it again.',
    });
    await this.#producer.close();
  }

  async #append(records: readonly LogRecord[]): Promise<void> {
    const { transactions, id } = this.#parts;
    const partitions = partitionsOf(records);
    const topics = new Set(partitions.keys());
    try {
      const limit = await this.#parts.limits(topics);
      await this.#producer.know(topics);
      await this.#leadersOf(partitions);
      try {
        await transactions.add(partitions);
        const written = new Map<PartitionKey, Offset>();
        for (const request of requests(records, limit))
          for (const [key, base] of await this.#producer.send(request)) written.set(key, base);
        await transactions.commit();
        await this.#visible(partitions, written);
      } catch (error) {
        // Best effort: whoever opens the id next aborts what is left open, and so does the coordinator after a while.
        await transactions.abort().catch(() => {});
        throw error;
      }
    } catch (error) {
      this.#failed = await this.#parts.topics.classify(error, topics, `appending as "${id}"`);
      await this.#producer.close();
      throw this.#failed;
    }
  }

  /**
   * Resolves when the leaders of partitions that are written for the first time answer. A broker names itself the
   * leader of a topic that was just created a moment before it takes records, and one refusal would end this writer.
   */
  async #leadersOf(partitions: ReadonlyMap<string, ReadonlySet<number>>): Promise<void> {
    const { cluster } = this.#parts;
    const missing = new Map<string, Set<number>>();
    for (const [topic, numbers] of partitions) {
      const fresh = [...numbers].filter((number) => !this.#producer.hasWritten(partitionKey(topic, number)));
      if (fresh.length > 0) missing.set(topic, new Set(fresh));
    }
    if (missing.size === 0) return;
    await pRetry(() => committedEnds(cluster, missing), {
      retries: 30,
      minTimeout: 5,
      maxTimeout: 250,
      shouldRetry: ({ error }) => isLeaderComing(error),
      onFailedAttempt: () => cluster.refreshMetadata(),
    });
  }

  /**
   * Kafka answers a commit before it has written the markers that show it to readers. Who asks for the end of the
   * topic in between would take it for shorter than it is.
   */
  async #visible(
    partitions: ReadonlyMap<string, ReadonlySet<number>>,
    written: ReadonlyMap<PartitionKey, Offset>,
  ): Promise<void> {
    for (let look = 0; look < looks; look++) {
      const ends = await committedEnds(this.#parts.cluster, partitions);
      if ([...written].every(([key, base]) => (ends.get(key) ?? 0) > base)) return;
      await wait(lookMs);
    }
    throw new InsideoutError('LOG_UNREACHABLE', 'Kafka does not show what was committed.', {
      hint: 'The append is repeated.',
    });
  }
}

/** How often, and in what pauses, it is looked whether a commit is visible; its markers take milliseconds. */
const looks = 2_000;
const lookMs = 2;

function partitionsOf(records: readonly LogRecord[]): Map<string, Set<number>> {
  const partitions = new Map<string, Set<number>>();
  let last: LogRecord | undefined;
  for (const record of records) {
    const { topic, partition } = record;
    if (last?.topic === topic && last.partition === partition) continue;
    last = record;
    const known = partitions.get(topic);
    if (known) known.add(partition);
    else partitions.set(topic, new Set([partition]));
  }
  return partitions;
}
