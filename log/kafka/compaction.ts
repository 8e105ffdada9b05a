import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, parsePartitionKey, partitionKey } from '../../core/position.ts';
import { endsOf } from '../ends.ts';
import type { CompactOptions, Log } from '../log.ts';
import { readToEnd } from '../read-to-end.ts';
import { countSuperseded, type Superseded } from '../superseded.ts';
import { LentSettings } from './lent-settings.ts';
import { rollSegments } from './segment-roll.ts';
import { settingsJournal } from './settings-journal.ts';
import { topicConfig } from './topics.ts';

/** How old a segment must be to be followed by a new one; the least that spares busy topics a flood of segments. */
const segmentMs = 1_000;
/** Until the files of compacted segments are removed. Who reads them at that moment has to finish. */
const fileDeleteMs = 1_000;
const lookEveryMs = 1_000;
const heldUpMs = 60_000;

/** https://kafka.apache.org/documentation/#topicconfigs */
const cleaning: ReadonlyMap<string, string> = new Map([
  ['min.cleanable.dirty.ratio', '0.0'],
  ['min.compaction.lag.ms', '0'],
  ['file.delete.delay.ms', String(fileDeleteMs)],
]);
const rolling: ReadonlyMap<string, string> = new Map([...cleaning, ['segment.ms', String(segmentMs)]]);

export interface CompactionParts {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly log: Pick<Log, 'consume' | 'offsets' | 'ensureTopics' | 'append'>;
}

/**
 * Makes the broker's cleaner do at once what it would do some day, by settings that the topics have for as long as
 * it takes. How often the cleaner looks for work is the broker's own setting, log.cleaner.backoff.ms, 15 s by
 * default. Replicas compact by themselves, with the same settings; what is read is the leader's.
 */
export async function compact(
  parts: CompactionParts,
  topics: readonly string[],
  options: CompactOptions,
): Promise<void> {
  const { admin, log } = parts;
  const { signal } = options;
  signal.throwIfAborted();
  await refuseOthers(admin, topics);
  const settings = new LentSettings({ admin, journal: settingsJournal(log), ours: rolling });
  await settings.mend();
  const ends = await endsOf(log, topics);
  let left = await countSuperseded(log, topics, { below: ends, signal });
  const progress = watchProgress(options);
  progress(left);
  if (left.size === 0) return;
  try {
    for (let round = 0; left.size > 0; round++) {
      if (isPowerOfTwo(round + 1)) await roll(parts, settings, { partitions: [...left.keys()], signal });
      else await settings.lend(topicsOf(left.keys()), [...cleaning.keys()]);
      await delay(lookEveryMs, undefined, { signal });
      left = await look(log, left, { ends, signal });
      progress(left);
    }
    await delay(fileDeleteMs, undefined, { signal });
  } catch (error) {
    // Should that fail as well, the journal has it.
    await settings.giveBack().catch(() => {});
    throw error;
  }
  await settings.giveBack();
}

/**
 * Once is enough, unless the segment was too young, or the settings had not come to its broker; so it is done again,
 * less and less often. The setting is lent for that moment only, since whoever else appends begins segments by it.
 */
async function roll(
  parts: CompactionParts,
  settings: LentSettings,
  { partitions, signal }: { partitions: readonly PartitionKey[]; signal: AbortSignal },
): Promise<void> {
  const topics = topicsOf(partitions);
  await settings.lend(topics, [...rolling.keys()]);
  await delay(segmentMs + 100, undefined, { signal });
  await rollSegments(parts.kafka, partitions);
  await settings.lend(topics, [...cleaning.keys()]);
}

/** What is still left. Partitions are read as a whole only when their last superseded record is gone. */
async function look(
  log: CompactionParts['log'],
  left: ReadonlyMap<PartitionKey, Superseded>,
  { ends, signal }: { ends: ReadonlyMap<PartitionKey, Offset>; signal: AbortSignal },
): Promise<Map<PartitionKey, Superseded>> {
  const still = new Map<PartitionKey, Superseded>();
  const unseen = new Set(left.keys());
  const from = new Map([...left].map(([key, { last }]) => [key, last]));
  for await (const { topic, partition, records } of readToEnd(log, topicsOf(left.keys()), { from, signal })) {
    const key = partitionKey(topic, partition);
    const before = left.get(key);
    if (before && unseen.delete(key) && records[0]?.offset === before.last) still.set(key, before);
    if (unseen.size === 0) break;
  }
  const gone = [...left.keys()].filter((key) => !still.has(key));
  if (gone.length === 0) return still;
  const below = new Map(gone.map((key) => [key, ends.get(key) ?? 0]));
  for (const [key, found] of await countSuperseded(log, topicsOf(gone), { below, signal }))
    still.set(key, found);
  return still;
}

/** delete.retention.ms of those of the topics that exist and are compacted. */
export async function tombstoneRetention(
  admin: Admin,
  topics: readonly string[],
): Promise<Map<string, number>> {
  const existing = new Set(await admin.listTopics());
  const asked = topics.filter((topic) => existing.has(topic));
  if (asked.length === 0) return new Map();
  const policies = await topicConfig(admin, asked, 'cleanup.policy');
  const retentions = await topicConfig(admin, asked, 'delete.retention.ms');
  return new Map(
    [...retentions]
      .filter(([topic]) => isCompacted(policies.get(topic)))
      .map(([topic, ms]) => [topic, Number(ms)]),
  );
}

async function refuseOthers(admin: Admin, topics: readonly string[]): Promise<void> {
  const existing = new Set(await admin.listTopics());
  const missing = topics.find((topic) => !existing.has(topic));
  if (missing !== undefined)
    throw new InsideoutError('LOG_TOPIC', `There is no topic "${missing}" in the Log.`, {
      hint: 'Start the source that writes it first, or correct the name.',
    });
  const policies =
    topics.length === 0 ? new Map<string, string>() : await topicConfig(admin, topics, 'cleanup.policy');
  for (const [topic, policy] of policies) if (!isCompacted(policy)) throw notCompacted(topic, policy);
}

function notCompacted(topic: string, policy: string): InsideoutError {
  return new InsideoutError(
    'LOG_TOPIC',
    `The topic "${topic}" is not compacted (cleanup.policy=${policy}).`,
    {
      hint: "Set the topic's cleanup.policy to compact, or remove the topic if nobody needs it.",
    },
  );
}

/** Tells what is left each time, and that it stays the same for too long. */
function watchProgress({ onProgress, onHeldUp }: CompactOptions) {
  let seen = -1;
  let since = Date.now();
  return (left: ReadonlyMap<PartitionKey, Superseded>) => {
    const total = [...left.values()].reduce((sum, { count }) => sum + count, 0);
    onProgress?.(total);
    if (total !== seen) {
      seen = total;
      since = Date.now();
    } else if (Date.now() - since >= heldUpMs) {
      since = Date.now();
      onHeldUp?.(heldUp(topicsOf(left.keys())));
    }
  };
}

function heldUp(topics: readonly string[]): InsideoutError {
  return new InsideoutError(
    'LOG_UNREACHABLE',
    `Kafka has compacted nothing of ${topics.join(', ')} for ${heldUpMs / 1000} s.`,
    {
      hint:
        "Look at the broker's log-cleaner.log and its settings log.cleaner.enable and log.cleaner.backoff.ms; " +
        'an open transaction, and records whose time is in the future, hold compaction up too.',
    },
  );
}

const isCompacted = (policy: string | undefined): boolean => policy?.split(',').includes('compact') ?? false;

const topicsOf = (keys: Iterable<PartitionKey>): string[] => [
  ...new Set([...keys].map((key) => parsePartitionKey(key).topic)),
];

const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;
