import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import pRetry from 'p-retry';
import type { TopicSpec } from '../log.ts';
import { refuseOtherCount } from '../partition-count.ts';
import { isLeaderComing, isTopicHidden, isTopicInvalid, isTopicMissing } from './kafka-errors.ts';
import { errorOfCode, leaderNotAvailable } from './kafkajs-cluster.ts';

/** A topic, among what DescribeConfigs knows; kafkajs' constant for it is no ESM export. */
export const topicResource = 2;

/** A record of up to 8 MiB, where Kafka's default is 1 MiB: rows with documents in them are larger than that. */
const maxMessageBytes = 8 << 20;

/** What is asked of several topics is asked again when one of them was deleted in the meantime. */
const again = {
  retries: 5,
  minTimeout: 20,
  shouldRetry: ({ error }: { error: Error }) => isTopicMissing(error),
};

/** Partition counts of those of the topics that exist. */
export function partitionCounts(admin: Admin, names: readonly string[]): Promise<Map<string, number>> {
  return pRetry(() => readCounts(admin, names), again);
}

async function readCounts(admin: Admin, names: readonly string[]): Promise<Map<string, number>> {
  if (names.length === 0) return new Map();
  // Mostly all are there. Only when one is not does it take the list of all topics, of which there may be thousands.
  const counts = await countsOf(admin, names).catch((error: unknown) => {
    if (isTopicMissing(error) || isTopicHidden(error) || isTopicInvalid(error)) return null;
    throw error;
  });
  if (counts) return counts;
  const existing = new Set(await admin.listTopics());
  const topics = names.filter((name) => existing.has(name));
  return topics.length === 0 ? new Map() : countsOf(admin, topics);
}

async function countsOf(admin: Admin, names: readonly string[]): Promise<Map<string, number>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  return new Map(topics.map((topic) => [topic.name, topic.partitions.length]));
}

/** Creates the topics that are missing, and refuses those that have another partition count. */
export async function ensureTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  replicationFactor: number | undefined,
): Promise<void> {
  const missing = await missingOf(admin, specs);
  if (missing.length === 0) return;
  await create(admin, missing, { replicationFactor });
  // Another process may have been faster, with another count.
  const names = missing.map((spec) => spec.name);
  const counts = await readyCounts(admin, names);
  for (const spec of missing) refuseOtherCount(spec, counts.get(spec.name));
}

/** Fails as `ensureTopics` would: the broker is asked whether it would create what is missing. */
export async function checkTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  replicationFactor: number | undefined,
): Promise<void> {
  await create(admin, await missingOf(admin, specs), { replicationFactor, validateOnly: true });
}

async function missingOf(admin: Admin, specs: readonly TopicSpec[]): Promise<TopicSpec[]> {
  const counts = await partitionCounts(
    admin,
    specs.map((spec) => spec.name),
  );
  for (const spec of specs) refuseOtherCount(spec, counts.get(spec.name));
  return specs.filter((spec) => !counts.has(spec.name));
}

/** The broker is to answer each request within seconds, however many topics there are. */
const createdAtOnce = 50;

/** That another process creates the same topics at this moment is no error. */
async function create(
  admin: Admin,
  specs: readonly TopicSpec[],
  how: { readonly replicationFactor: number | undefined; readonly validateOnly?: boolean },
): Promise<void> {
  const { replicationFactor, validateOnly = false } = how;
  for (let from = 0; from < specs.length; from += createdAtOnce)
    await admin.createTopics({
      waitForLeaders: false,
      validateOnly,
      topics: specs.slice(from, from + createdAtOnce).map((spec) => ({
        topic: spec.name,
        numPartitions: spec.partitions,
        ...(replicationFactor === undefined ? {} : { replicationFactor }),
        configEntries: [
          { name: 'max.message.bytes', value: String(maxMessageBytes) },
          ...Object.entries(cleaningSettings(spec)).map(([name, value]) => ({ name, value })),
        ],
      })),
    });
}

/** How a topic forgets: by key, by age, or by both. */
export const cleaningSettings = ({
  cleanup,
  retentionMs = -1,
}: Pick<TopicSpec, 'cleanup' | 'retentionMs'>): Record<string, string> =>
  cleanup === 'compact' && retentionMs < 0
    ? { 'cleanup.policy': 'compact' }
    : {
        'cleanup.policy': cleanup === 'compact' ? 'compact,delete' : 'delete',
        'retention.ms': String(retentionMs),
      };

/** Partition counts, once brokers know all of the topics and each partition has a leader: seconds when there are many. */
function readyCounts(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const read = async () => {
    const metadata = await admin.fetchTopicMetadata({ topics: [...topics] });
    if (metadata.topics.some(({ partitions }) => partitions.some(({ leader }) => leader < 0)))
      throw errorOfCode(leaderNotAvailable);
    return new Map(metadata.topics.map((topic) => [topic.name, topic.partitions.length]));
  };
  return pRetry(read, {
    retries: 60,
    minTimeout: 20,
    maxTimeout: 250,
    shouldRetry: ({ error }) => isTopicMissing(error) || isLeaderComing(error),
  });
}

/** Deletes those of the topics that exist; resolves when the broker lists none of them. */
export async function deleteTopics(admin: Admin, names: readonly string[]): Promise<void> {
  const existing = async () => {
    const all = new Set(await admin.listTopics());
    return names.filter((name) => all.has(name));
  };
  await pRetry(async () => {
    const topics = await existing();
    if (topics.length > 0) await admin.deleteTopics({ topics, timeout: 10_000 });
  }, again);
  while ((await existing()).length > 0) await delay(10);
}

/** One setting of each of the topics. */
export async function topicConfig(
  admin: Admin,
  topics: readonly string[],
  setting: string,
): Promise<Map<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: topicResource, name, configNames: [setting] })),
  });
  return new Map(resources.map((r) => [r.resourceName, r.configEntries[0]?.configValue ?? '']));
}
