import type { Kafka } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { LogRecord } from '../log.ts';
import {
  type Broker,
  type BrokerCall,
  type Cluster,
  errorOfCode,
  leaderOf,
  openCluster,
} from './kafkajs-cluster.ts';
import { type ProduceBatch, type Produced, produceCall } from './produce-request.ts';
import { encodeRecordBatch, type ProducerIdentity } from './record-batch.ts';

/** Records of one request, by partition, in order. */
export interface Request {
  readonly partitions: ReadonlyMap<PartitionKey, readonly LogRecord[]>;
}

/** Sequence numbers are 32 bits without a sign. */
const sequences = 2 ** 31;

/**
 * An idempotent producer that repeats nothing: each request is sent once, over one connection to each broker, with
 * sequence numbers that follow one another. A broker that did not store a request therefore stores none of the
 * later ones of the same partition, so several may be in flight without losing the order. After a failure this
 * producer is of no more use: whether the request was stored is not known.
 * https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
 */
export class BatchProducer {
  readonly #cluster: Cluster;
  readonly #compression: 'none' | 'gzip';
  readonly #identity: ProducerIdentity;
  readonly #next = new Map<PartitionKey, number>();
  readonly #confirmed = new Set<PartitionKey>();
  readonly #topics = new Set<string>();
  #leaving: Promise<void> = Promise.resolve();

  constructor(parts: { cluster: Cluster; compression: 'none' | 'gzip'; identity: ProducerIdentity }) {
    this.#cluster = parts.cluster;
    this.#compression = parts.compression;
    this.#identity = parts.identity;
  }

  static async connect(kafka: Kafka, compression: 'none' | 'gzip'): Promise<BatchProducer> {
    const cluster = producingCluster(kafka);
    try {
      await cluster.connect();
      await cluster.refreshMetadataIfNecessary();
      const broker = await cluster.findControllerBroker();
      const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 60_000 });
      const identity = { id: BigInt(producerId), epoch: producerEpoch, transactionalId: null };
      return new BatchProducer({ cluster, compression, identity });
    } catch (error) {
      await cluster.disconnect().catch(() => {});
      throw error;
    }
  }

  /**
   * True when the request may follow others that are still in flight. A broker takes any sequence number as the
   * first of a partition, so the first request of each has to be confirmed before the next one is sent.
   */
  mayFollow({ partitions }: Request): boolean {
    for (const key of partitions.keys()) if (!this.hasWritten(key)) return false;
    return true;
  }

  /** True when a request with records of this partition is confirmed. */
  hasWritten(key: PartitionKey): boolean {
    return this.#confirmed.has(key);
  }

  /** Reads the metadata of topics that it was not given records for yet. */
  async know(topics: ReadonlySet<string>): Promise<void> {
    if ([...topics].every((topic) => this.#topics.has(topic))) return;
    await this.#cluster.addMultipleTargetTopics([...topics]);
    for (const topic of topics) this.#topics.add(topic);
  }

  /**
   * Resolves once every partition's records are stored, with the offset of the first in each. Requests leave in the
   * order of the calls.
   */
  async send(request: Request): Promise<ReadonlyMap<PartitionKey, Offset>> {
    // One after the other: a request that has to ask for metadata first must not be overtaken.
    const leaving = this.#leaving.then(() => this.#dispatch(request));
    this.#leaving = leaving.then(nothing, nothing);
    const { answers } = await leaving;
    const stored = new Map<PartitionKey, Offset>();
    for (const answer of await Promise.all(answers))
      for (const [key, offset] of answer) {
        stored.set(key, offset);
        this.#confirmed.add(key);
      }
    return stored;
  }

  /** Hands the request to the connections; the answers come later. */
  async #dispatch({ partitions }: Request): Promise<{ answers: Promise<Stored[]>[] }> {
    const topics = new Set<string>();
    for (const records of partitions.values()) topics.add(records[0]!.topic);
    await this.know(topics);
    const perLeader = new Map<string, PartitionKey[]>();
    for (const [key, records] of partitions) {
      const leader = leaderOf(this.#cluster, records[0]!.topic, records[0]!.partition);
      const keys = perLeader.get(leader);
      if (keys) keys.push(key);
      else perLeader.set(leader, [key]);
    }
    const brokers = new Map<string, Broker>();
    for (const nodeId of perLeader.keys()) brokers.set(nodeId, await this.#cluster.findBroker({ nodeId }));
    const answers = [...perLeader].map(([nodeId, keys]) => {
      const batches = keys.map((key) => {
        const records = partitions.get(key)!;
        const { topic, partition } = records[0]!;
        return { topic, partition, batch: this.#encode(key, records) };
      });
      return sendTo(brokers.get(nodeId)!, produceCall(batches, this.#identity.transactionalId), batches);
    });
    for (const answer of answers) answer.catch(nothing);
    return { answers };
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => {});
  }

  #encode(key: PartitionKey, records: readonly LogRecord[]): Buffer {
    const sequence = this.#next.get(key) ?? 0;
    this.#next.set(key, (sequence + records.length) % sequences);
    const { id, epoch, transactionalId } = this.#identity;
    return encodeRecordBatch(records, { id, epoch, transactionalId, sequence }, this.#compression);
  }
}

const nothing = () => {};

/** A cluster for a producer of its own. */
export const producingCluster = (kafka: Kafka): Cluster =>
  openCluster(kafka, { metadataMaxAge: 300_000, allowAutoTopicCreation: false, maxInFlightRequests: null });

type Stored = readonly [PartitionKey, Offset];

async function sendTo(broker: Broker, call: BrokerCall, batches: readonly ProduceBatch[]): Promise<Stored[]> {
  const { partitions } = (await broker.connectionPool.send(call)) as Produced;
  const answers = new Map(partitions.map((p) => [partitionKey(p.topic, p.partition), p]));
  return batches.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const answer = answers.get(key);
    if (!answer)
      throw new InsideoutError(
        'LOG_UNREACHABLE',
        `Kafka did not confirm partition ${partition} of ${topic}.`,
        {
          hint: 'The append is repeated.',
        },
      );
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode);
    return [key, answer.baseOffset];
  });
}
