import { setTimeout as wait } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { kafkaAddress } from '../servers.ts';

export const plainKafka = (): Kafka =>
  new Kafka({ brokers: [kafkaAddress], clientId: 'bench', logLevel: logLevel.NOTHING });

/** A look at the topics from outside, the same for every side. */
export class Topics {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  static async open(): Promise<Topics> {
    const admin = plainKafka().admin();
    await admin.connect();
    return new Topics(admin);
  }

  /** The sum of the end offsets; 0 while the topic is not there. */
  async records(topic: string): Promise<number> {
    try {
      const offsets = await this.#admin.fetchTopicOffsets(topic);
      return offsets.reduce((sum, { high }) => sum + Number(high), 0);
    } catch (error) {
      if (isNotThere(error)) return 0;
      throw error;
    }
  }

  async recordsOfAll(topics: readonly string[]): Promise<number> {
    const known = new Set(await this.#admin.listTopics());
    const counts = await Promise.all(topics.filter((t) => known.has(t)).map((t) => this.records(t)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async create(topic: string, partitions: number): Promise<void> {
    // The name may be that of a topic which is still being removed.
    const made = () =>
      this.#admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true });
    while (!(await made())) await wait(100);
  }

  async remove(topic: string): Promise<void> {
    const known = await this.#admin.listTopics();
    if (known.includes(topic)) await this.#admin.deleteTopics({ topics: [topic] });
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
  }
}

/** It is just being made, or does not exist. */
function isNotThere(error: unknown): boolean {
  const { type, cause } = error as { type?: unknown; cause?: unknown };
  return notThere.has(String(type)) || (cause instanceof Error && isNotThere(cause));
}

const notThere = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION']);
