import pRetry from 'p-retry';
import { isCoordinatorBusy } from './kafka-errors.ts';
import type { Broker, Cluster } from './kafkajs-cluster.ts';
import type { ProducerIdentity } from './record-batch.ts';

/**
 * How long a transaction may stay open. Readers wait before the records of an open transaction, so this is also
 * how long a writer that was killed holds them up when no other takes its id over.
 */
const transactionMs = 30_000;

/**
 * The transactions of one id, one after the other. Whoever opens an id last has it: the coordinator aborts what
 * the one before left open, and refuses everything that it still sends.
 * https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
 */
export class Transactions {
  readonly producer: ProducerIdentity;
  readonly #id: string;
  readonly #coordinator: Broker;

  private constructor(id: string, coordinator: Broker, producer: ProducerIdentity) {
    this.#id = id;
    this.#coordinator = coordinator;
    this.producer = producer;
  }

  /** Resolves once the id is ours. Waits for a coordinator that only comes up, and for the end of a transaction. */
  static open(cluster: Cluster, id: string): Promise<Transactions> {
    return untilFree(async () => {
      await cluster.refreshMetadataIfNecessary();
      const coordinator = await cluster.findGroupCoordinator({ groupId: id, coordinatorType });
      const { producerId, producerEpoch } = await coordinator.initProducerId({
        transactionalId: id,
        transactionTimeout: transactionMs,
      });
      const producer = { id: BigInt(producerId), epoch: producerEpoch, transactionalId: id };
      return new Transactions(id, coordinator, producer);
    });
  }

  /**
   * Adds partitions to the transaction, which begins with the first. Waits until the one before is over: Kafka
   * confirms an end before its markers are written, and lets no other begin until they are.
   */
  async add(topics: ReadonlyMap<string, ReadonlySet<number>>): Promise<void> {
    const asked = [...topics].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }));
    await untilFree(() => this.#coordinator.addPartitionsToTxn({ ...this.#who(), topics: asked }));
  }

  /** Readers see what was written a moment after this resolves, once its markers are there. */
  async commit(): Promise<void> {
    await this.#coordinator.endTxn({ ...this.#who(), transactionResult: true });
  }

  async abort(): Promise<void> {
    await this.#coordinator.endTxn({ ...this.#who(), transactionResult: false });
  }

  #who() {
    const { id, epoch } = this.producer;
    return { transactionalId: this.#id, producerId: String(id), producerEpoch: epoch };
  }
}

/** https://kafka.apache.org/protocol#The_Messages_FindCoordinator */
const coordinatorType = 1;

/** Markers take some milliseconds; a coordinator that comes up, seconds. */
function untilFree<T>(work: () => Promise<T>): Promise<T> {
  return pRetry(work, {
    retries: 30,
    minTimeout: 2,
    factor: 1.5,
    maxTimeout: 500,
    shouldRetry: ({ error }) => isCoordinatorBusy(error),
  });
}
