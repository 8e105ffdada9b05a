import type { Admin } from 'kafkajs';
import { isTopicMissing } from './kafka-errors.ts';
import { topicResource } from './topics.ts';

/** What a topic says of itself, without what it has from the broker. */
export type OwnSettings = ReadonlyMap<string, string>;

/** The source of a setting that was made for the topic: ConfigSource in Kafka's protocol, DescribeConfigs. */
const ownSource = 1;

export async function readOwnSettings(
  admin: Admin,
  topics: readonly string[],
): Promise<Map<string, OwnSettings>> {
  if (topics.length === 0) return new Map();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: topicResource, name })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(
        configEntries
          .filter((entry) => (entry as { configSource?: number }).configSource === ownSource)
          .map(({ configName, configValue }) => [configName, configValue]),
      ),
    ]),
  );
}

/**
 * Replaces everything that topics say of themselves: AlterConfigs, the only such request that kafkajs has. One topic at
 * a time, so that one that is deleted at this moment keeps nothing from the others.
 */
export async function writeOwnSettings(
  admin: Admin,
  changes: ReadonlyMap<string, OwnSettings>,
): Promise<void> {
  for (const [name, settings] of changes)
    try {
      const configEntries = [...settings].map(([setting, value]) => ({ name: setting, value }));
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: topicResource, name, configEntries }],
      });
    } catch (error) {
      if (!isTopicMissing(error)) throw error;
    }
}

export const sameSettings = (a: OwnSettings, b: OwnSettings): boolean =>
  a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
