import { InsideoutError } from '../../core/errors.ts';
import { classifyKafka, isTopicMissing } from './kafka-errors.ts';

/** Names of the topics that exist. */
export type ExistingTopics = () => Promise<ReadonlySet<string>>;

/**
 * The topics that a producer was given records for. kafkajs keeps them all, and once one of them is deleted, by
 * whomever, it fails whenever it must look at its topics again: for a new topic, or when a leader moved.
 * Cluster#addMultipleTargetTopics in https://github.com/tulios/kafkajs/blob/v2.2.4/src/cluster/index.js
 */
export class ProducerTopics {
  readonly #existing: ExistingTopics;
  readonly #known = new Set<string>();

  constructor(existing: ExistingTopics) {
    this.#existing = existing;
  }

  /** Adds topics; false when the producer must be replaced first, because it knows one that is gone. */
  async add(topics: ReadonlySet<string>): Promise<boolean> {
    if (this.#known.size > 0 && [...topics].some((topic) => !this.#known.has(topic))) {
      const existing = await this.#existing();
      if ([...this.#known].some((topic) => !existing.has(topic))) return false;
    }
    for (const topic of topics) this.#known.add(topic);
    return true;
  }

  /** True when the producer was given records for all of these. */
  has(topics: ReadonlySet<string>): boolean {
    for (const topic of topics) if (!this.#known.has(topic)) return false;
    return true;
  }

  /** For the producer that takes the place of the one before. */
  clear(): void {
    this.#known.clear();
  }

  /** The error of an append to these topics as ours: one that another topic is to blame for passes by itself. */
  async classify(error: unknown, topics: ReadonlySet<string>, doing: string): Promise<InsideoutError> {
    if (!(error instanceof InsideoutError) && isTopicMissing(error)) {
      const existing = await this.#existing().catch(() => new Set());
      if ([...topics].every((topic) => existing.has(topic)))
        return new InsideoutError(
          'LOG_UNREACHABLE',
          `Kafka's client did not find a topic while ${doing}: another one was deleted.`,
          { hint: 'The append is repeated.', cause: error },
        );
    }
    return classifyKafka(error, doing);
  }
}
