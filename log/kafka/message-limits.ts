import type { Admin } from 'kafkajs';
import { topicConfig } from './topics.ts';

/** What a broker takes by default: https://kafka.apache.org/documentation/#brokerconfigs_message.max.bytes */
const usualLimit = 1_048_588;

/** max.message.bytes of topics, read once for each. */
export class MessageLimits {
  readonly #limits = new Map<string, number>();

  async of(topics: ReadonlySet<string>, admin: () => Promise<Admin>): Promise<(topic: string) => number> {
    const unknown = [...topics].filter((topic) => !this.#limits.has(topic));
    if (unknown.length > 0) await this.#read(unknown, await admin());
    return (topic) => this.#limits.get(topic) ?? usualLimit;
  }

  async #read(topics: readonly string[], admin: Admin): Promise<void> {
    // Reading settings may be forbidden where writing is allowed, and a topic that is missing is found out when
    // it is written: then the usual limit serves.
    const found = await topicConfig(admin, topics, 'max.message.bytes').catch(() => null);
    for (const topic of topics) {
      const limit = Number(found?.get(topic));
      if (limit > 0) this.#limits.set(topic, limit);
    }
  }
}
