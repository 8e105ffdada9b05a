import type { Log } from '../log.ts';
import { readToEnd } from '../read-to-end.ts';

/** Settings of a topic by their names; null where the topic had none of its own. */
export type FormerSettings = Readonly<Record<string, string | null>>;

/** Has no dot and no underscore, so that it is no name of a source's topic. */
export const settingsTopic = '__insideout-settings';

/** What is durable of topics whose settings are changed for a while: what they were before. */
export interface SettingsJournal {
  all(): Promise<ReadonlyMap<string, FormerSettings>>;
  /** Durable when it resolves. */
  remember(former: ReadonlyMap<string, FormerSettings>): Promise<void>;
  forget(topics: readonly string[]): Promise<void>;
}

/** The journal in a compacted topic of its own: key is a topic's name, value the former settings as JSON. */
export function settingsJournal(
  log: Pick<Log, 'consume' | 'offsets' | 'ensureTopics' | 'append'>,
): SettingsJournal {
  const append = async (values: ReadonlyMap<string, FormerSettings | null>) => {
    if (values.size === 0) return;
    await log.ensureTopics([{ name: settingsTopic, partitions: 1, cleanup: 'compact' }]);
    await log.append(
      [...values].map(([topic, value]) => ({
        topic: settingsTopic,
        partition: 0,
        key: Buffer.from(topic),
        value: value && Buffer.from(JSON.stringify(value)),
        timestamp: Date.now(),
      })),
    );
  };
  return {
    async all() {
      const found = new Map<string, FormerSettings>();
      for await (const { records } of readToEnd(log, [settingsTopic]))
        for (const { key, value } of records) {
          if (key === null) continue;
          if (value === null) found.delete(key.toString());
          else found.set(key.toString(), JSON.parse(value.toString()) as FormerSettings);
        }
      return found;
    },
    remember: append,
    forget: (topics) => append(new Map(topics.map((topic) => [topic, null]))),
  };
}
