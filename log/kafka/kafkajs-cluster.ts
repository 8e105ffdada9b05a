import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';

/**
 * The parts of kafkajs 2.2.4 below its producer, which it does not export: connections to brokers with their
 * authentication, versions and metadata, to which requests of our own can be given. The version is pinned, and
 * test/log/kafka/record-batch.test.ts fails when another one lacks any of this.
 */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Reads the metadata of these topics, too. Errors: UNKNOWN_TOPIC_OR_PARTITION. */
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findControllerBroker(): Promise<Broker>;
  findBroker(options: { nodeId: string }): Promise<Broker>;
  /** Also of transactional ids, which the request calls groups, too. */
  findGroupCoordinator(options: { groupId: string; coordinatorType: number }): Promise<Broker>;
  /** Empty for a topic without metadata. */
  findTopicPartitionMetadata(
    topic: string,
  ): readonly { readonly partitionId: number; readonly leader: number }[];
  /** Node id to partitions; partitions without metadata are left out. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
}

export interface Broker {
  readonly connectionPool: {
    send(call: BrokerCall): Promise<unknown>;
    /** Requests that are rejected keep no connection from being closed. */
    map(each: (connection: { rejectRequests(error: Error): void }) => void): void;
  };
  initProducerId(options: {
    transactionalId?: string;
    transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(options: TransactionOf & { topics: readonly TopicPartitions[] }): Promise<unknown>;
  /** `transactionResult` is true for a commit. */
  endTxn(options: TransactionOf & { transactionResult: boolean }): Promise<unknown>;
  listOffsets(options: {
    isolationLevel: number;
    topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
    }[];
  }): Promise<{
    responses: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }>;
}

interface TransactionOf {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface BrokerCall {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    expectResponse(): boolean;
    encode(): Promise<Payload>;
  };
  readonly response: {
    decode(bytes: Buffer): Promise<unknown>;
    parse(decoded: unknown): Promise<unknown>;
  };
}

/** As much of kafkajs' Encoder as a request is asked for. */
export class Payload {
  readonly buf: Buffer;

  constructor(bytes: Buffer) {
    this.buf = bytes;
  }

  get buffer(): Buffer {
    return this.buf;
  }

  size(): number {
    return this.buf.length;
  }
}

interface ClusterOptions {
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
  readonly maxInFlightRequests: number | null;
}

/** A cluster of its own, with the client's settings. */
export function openCluster(kafka: Kafka, options: ClusterOptions): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    (s) => s.description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafka as unknown as Record<symbol, unknown>)[symbol];
  if (typeof create !== 'function')
    throw new InsideoutError(
      'INTERNAL',
      'This version of kafkajs is not the one that insideout was built with.',
      {
        hint: 'Install the versions of package-lock.json.',
      },
    );
  return create(options) as Cluster;
}

/** Node id of the broker that leads a partition, by the metadata that the cluster has. Errors: LEADER_NOT_AVAILABLE. */
export function leaderOf(cluster: Cluster, topic: string, partition: number): string {
  const known = cluster.findTopicPartitionMetadata(topic);
  const leader = known.find(({ partitionId }) => partitionId === partition)?.leader ?? noLeader;
  if (leader === noLeader) throw errorOfCode(leaderNotAvailable);
  return String(leader);
}

/** While one is being chosen. */
const noLeader = -1;
export const leaderNotAvailable = 5;

/** A broker's error code as the error that kafkajs throws for it: with `type` and `retriable`. */
export function errorOfCode(code: number): Error {
  const { createErrorFromCode } = createRequire(import.meta.url)('kafkajs/src/protocol/error.js') as {
    createErrorFromCode(code: number): Error;
  };
  return createErrorFromCode(code);
}
