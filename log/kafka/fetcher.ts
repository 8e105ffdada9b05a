import { setTimeout as wait } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { type Offset, type PartitionKey, partitionKey, type TopicPartition } from '../../core/position.ts';
import type { RecordBatch } from '../log.ts';
import { type Fetched, type FetchedPartition, fetchCall } from './fetch-request.ts';
import type { Handoff } from './handoff.ts';
import { isLeaderComing, isTopicMissing, mayPass } from './kafka-errors.ts';
import { type Broker, type Cluster, errorOfCode, leaderOf, openCluster } from './kafkajs-cluster.ts';
import { readRecordBatches } from './record-batch-reader.ts';

/** A partition that is read, from its assignment to its loss. */
interface Reading extends TopicPartition {
  next: Offset;
  /** Fetches that nobody has worked on yet; while there are as many as `ahead`, nothing more is fetched. */
  waiting: number;
}

export interface FetcherParts {
  readonly kafka: Kafka;
  readonly topics: readonly string[];
  readonly handoff: Handoff<RecordBatch>;
  /** The position is not in the Log: where to go on instead. Throws when records are missing. */
  outOfRange(at: TopicPartition & { readonly offset: Offset }): Promise<Offset>;
}

/** One fetch of a partition is worked on while the next one waits, and no more. */
const ahead = 2;
const maxPartitionBytes = 1 << 20;
const maxBytes = 16 << 20;
/** How long the broker keeps a fetch that finds nothing, when nothing else of it may become wanted meanwhile. */
const patientMs = 500;
const hurriedMs = 20;
const pauses = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000];

const offsetOutOfRange = 1;

/**
 * Reads partitions with Fetch requests of its own over kafkajs' connections, one at a time to each broker, and
 * hands the batches over in order. Knows nothing of groups: whoever has partitions says so. Memory stays bounded
 * by `ahead` fetches of each partition.
 */
export class Fetcher {
  readonly #parts: FetcherParts;
  readonly #cluster: Cluster;
  readonly #reading = new Map<PartitionKey, Reading>();
  /** By node id; null until the broker is connected. */
  readonly #fetching = new Map<string, Broker | null>();
  readonly #recovering = new Set<PartitionKey>();
  #expected = 0;
  #failures = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(parts: FetcherParts) {
    this.#parts = parts;
    this.#cluster = openCluster(parts.kafka, {
      metadataMaxAge: 300_000,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
    });
  }

  async connect(): Promise<void> {
    await this.#cluster.connect();
    await this.#cluster.addMultipleTargetTopics(this.#parts.topics);
  }

  /** How many partitions `assign` will have been called for in the end: a fetch does not wait long until then. */
  expect(partitions: number): void {
    this.#expected = partitions;
  }

  assign({ topic, partition }: TopicPartition, next: Offset): void {
    this.#reading.set(partitionKey(topic, partition), { topic, partition, next, waiting: 0 });
    this.#wake();
  }

  unassignAll(): void {
    this.#reading.clear();
  }

  /** Where the reading is in each partition: behind the last batch that was worked on. */
  positions(): ReadonlyMap<PartitionKey, Offset> {
    return new Map([...this.#reading].filter(([, r]) => r.waiting === 0).map(([key, r]) => [key, r.next]));
  }

  /** Fetches until it is closed. Failures end the handoff. */
  async run(): Promise<void> {
    while (!this.#ended) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        for (const [nodeId, wanted] of this.#wanted()) void this.#fetch(nodeId, wanted);
      } catch (error) {
        await this.#failed(error);
        continue;
      }
      await woken;
    }
  }

  /** What is asked is not waited for: the broker may keep a fetch for as long as nothing comes. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#wake();
    for (const broker of this.#fetching.values())
      broker?.connectionPool.map((connection) => connection.rejectRequests(new Error('closed')));
    await this.#cluster.disconnect().catch(() => {});
  }

  /** What may be fetched now, by the broker that leads it. */
  #wanted(): Map<string, Reading[]> {
    const wanted = new Map<string, Reading[]>();
    for (const [key, reading] of this.#reading) {
      if (reading.waiting >= ahead || this.#recovering.has(key)) continue;
      const leader = leaderOf(this.#cluster, reading.topic, reading.partition);
      if (this.#fetching.has(leader)) continue;
      const list = wanted.get(leader);
      if (list) list.push(reading);
      else wanted.set(leader, [reading]);
    }
    return wanted;
  }

  async #fetch(nodeId: string, wanted: readonly Reading[]): Promise<void> {
    this.#fetching.set(nodeId, null);
    try {
      const broker = await this.#cluster.findBroker({ nodeId });
      if (this.#ended) return;
      this.#fetching.set(nodeId, broker);
      // What is left out now, because it is worked on or yet to come, must not have to wait for this fetch.
      const all = wanted.length === this.#reading.size && this.#reading.size >= this.#expected;
      const positions = wanted.map(({ topic, partition, next }) => ({ topic, partition, offset: next }));
      const limits = { maxWaitMs: all ? patientMs : hurriedMs, maxBytes, maxPartitionBytes };
      const { partitions } = (await broker.connectionPool.send(fetchCall(positions, limits))) as Fetched;
      const asked = new Map(
        wanted.map((reading) => [partitionKey(reading.topic, reading.partition), reading]),
      );
      for (const answer of partitions) {
        const key = partitionKey(answer.topic, answer.partition);
        const reading = asked.get(key);
        // Given up meanwhile, and perhaps begun anew.
        if (reading && this.#reading.get(key) === reading) this.#take(answer, reading);
      }
      this.#failures = 0;
    } catch (error) {
      await this.#failed(error);
    } finally {
      this.#fetching.delete(nodeId);
      this.#wake();
    }
  }

  #take(answer: FetchedPartition, reading: Reading): void {
    const { topic, partition, errorCode, highWatermark, aborted, bytes } = answer;
    if (errorCode === offsetOutOfRange) {
      void this.#recover(reading);
      return;
    }
    if (errorCode !== 0) throw errorOfCode(errorCode);
    const portions = readRecordBatches(bytes, reading.next, aborted);
    const last = portions.at(-1);
    if (!last) return;
    reading.next = last.next;
    reading.waiting++;
    for (const portion of portions) {
      const { next } = portion;
      const offer = this.#parts.handoff.offer({
        topic,
        partition,
        get records() {
          return portion.records;
        },
        next,
        end: Math.max(highWatermark, next),
      });
      if (portion !== last) continue;
      void offer.taken.then(() => {
        reading.waiting--;
        this.#wake();
      });
    }
  }

  /** The broker does not hold the position. */
  async #recover(reading: Reading): Promise<void> {
    const key = partitionKey(reading.topic, reading.partition);
    this.#recovering.add(key);
    try {
      reading.next = await this.#parts.outOfRange({ ...reading, offset: reading.next });
    } catch (error) {
      this.#parts.handoff.fail(error);
    } finally {
      this.#recovering.delete(key);
      this.#wake();
    }
  }

  /** Looks for leaders anew and waits a little; after too many failures in a row the reading ends with the last. */
  async #failed(error: unknown): Promise<void> {
    if (this.#ended) return;
    // A topic that others have only just created comes within a second; one that was deleted does not.
    const patience = isTopicMissing(error) ? pauses.slice(0, 4) : pauses;
    const pause = patience[this.#failures++];
    if (pause === undefined || !(mayPass(error) || isLeaderComing(error))) {
      this.#parts.handoff.fail(error);
      this.#ended = true;
      return;
    }
    await wait(pause);
    // Closed meanwhile: this would connect anew, and nobody would close it.
    if (this.#ended) return;
    await this.#cluster.refreshMetadata().catch(() => {});
    this.#wake();
  }
}
