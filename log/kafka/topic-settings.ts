import { setTimeout as delay } from 'node:timers/promises';
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

/** A broker shows a change as soon as it has heard of it from the controller that answered: mostly at once. */
const shownWithinMs = 5_000;
const lookEveryMs = 10;

/**
 * Replaces everything that topics say of themselves: AlterConfigs, the only such request that kafkajs has. One topic at
 * a time, so that one that is deleted at this moment keeps nothing from the others. Resolves when it can be read back,
 * so that who reads next does not take what was there before for what somebody wants; or after some seconds for each
 * topic that somebody else changes at this moment.
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
      await shown(admin, name, settings);
    } catch (error) {
      if (!isTopicMissing(error)) throw error;
    }
}

async function shown(admin: Admin, topic: string, settings: OwnSettings): Promise<void> {
  const deadline = Date.now() + shownWithinMs;
  for (;;) {
    const present = (await readOwnSettings(admin, [topic])).get(topic);
    if ((present && sameSettings(present, settings)) || Date.now() >= deadline) return;
    await delay(lookEveryMs);
  }
}

export const sameSettings = (a: OwnSettings, b: OwnSettings): boolean =>
  a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
