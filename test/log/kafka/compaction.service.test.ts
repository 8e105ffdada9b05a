import { type Admin, Kafka, logLevel, type ResourceConfigQuery } from 'kafkajs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { partitionKey } from '../../../core/position.ts';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { LentSettings } from '../../../log/kafka/lent-settings.ts';
import { rollSegments } from '../../../log/kafka/segment-roll.ts';
import { settingsJournal } from '../../../log/kafka/settings-journal.ts';
import { writeOwnSettings } from '../../../log/kafka/topic-settings.ts';
import type { Log } from '../../../log/log.ts';
import { compactionConformance } from '../../conformance/log-compaction.ts';
import { createTopic } from '../../support/create-topic.ts';
import { instead } from '../../support/instead.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { kafka: broker, registry } = servers();
const open = () => openKafkaLog({ brokers: [broker], registry: { url: registry } });
compactionConformance('Kafka', open, { patience: 60_000 });

const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const never = new AbortController().signal;
/** What the broker has at most for a look at its work, and what a busy machine adds. */
const patience = { timeout: 60_000, interval: 50 };
let log: Log;
let admin: Admin;
beforeAll(async () => {
  log = await open();
  admin = kafka.admin();
  await admin.connect();
});
afterAll(async () => {
  await log?.close();
  await admin?.disconnect();
});

type Settings = Record<string, string>;

/** A topic with settings of its own, one of which compaction on demand must change for a while. */
const own: Settings = { 'cleanup.policy': 'compact', 'segment.ms': '86400000', 'retention.ms': '12345' };

async function topicWith(settings: Settings = own, partitions = 1): Promise<string> {
  const topic = uniqueName('compacted');
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await createTopic(admin, { topic, numPartitions: partitions, configEntries });
  return topic;
}

async function settingsOf(topic: string): Promise<Settings> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: 2, name: topic }],
  });
  return Object.fromEntries(
    (resources[0]?.configEntries ?? [])
      .filter((entry) => (entry as { configSource?: number }).configSource === 1)
      .map(({ configName, configValue }) => [configName, configValue]),
  );
}

const setSettings = (topic: string, settings: Settings): Promise<void> =>
  writeOwnSettings(admin, new Map([[topic, new Map(Object.entries(settings))]]));

const append = (topic: string, ...values: string[]) =>
  log.append(
    values.map((value) => ({
      topic,
      partition: 0,
      key: Buffer.from('k'),
      value: Buffer.from(value),
      timestamp: Date.now(),
    })),
  );

test('a topic has its own settings back afterwards, also what changed meanwhile', async () => {
  const topic = await topicWith();
  await append(topic, '1', '2');
  const compaction = log.compact([topic], { signal: never });
  const lent = {
    'min.cleanable.dirty.ratio': '0.0',
    'min.compaction.lag.ms': '0',
    'file.delete.delay.ms': '1000',
  };
  // Short segments are only for the moment of the roll, which comes first.
  await expect.poll(async () => (await settingsOf(topic))['segment.ms'], patience).toBe('1000');
  await expect.poll(() => settingsOf(topic), patience).toEqual({ ...own, ...lent });
  await setSettings(topic, { ...own, ...lent, 'retention.ms': '54321' });
  await compaction;
  expect(await settingsOf(topic)).toEqual({ ...own, 'retention.ms': '54321' });
});

test('an abort in the middle gives the settings back, too, and so does closing', async () => {
  for (const end of ['abort', 'close']) {
    const mine = await open();
    onTestFinished(() => mine.close());
    const topic = await topicWith();
    await append(topic, '1', '2');
    const stop = new AbortController();
    const reason = new Error('no longer wanted');
    const compaction = mine.compact([topic], { signal: stop.signal });
    compaction.catch(() => {});
    await expect.poll(() => settingsOf(topic), patience).not.toEqual(own);
    if (end === 'abort') {
      stop.abort(reason);
      await expect(compaction).rejects.toBe(reason);
    } else {
      await mine.close();
      await expect(compaction).rejects.toMatchObject({ code: 'LOG_CLOSED' });
    }
    expect(await settingsOf(topic)).toEqual(own);
  }
});

test('what a process that died had changed is put back by the next compaction of anything', async () => {
  const [topic, kept, idle] = [await topicWith(), await topicWith(), await topicWith()];
  const ours = new Map([
    ['segment.ms', '1000'],
    ['min.cleanable.dirty.ratio', '0.0'],
  ]);
  const dead = new LentSettings({ admin, journal: settingsJournal(log), ours });
  await dead.lend([topic, kept], [...ours.keys()]);
  const lent = { ...own, ...Object.fromEntries(ours) };
  expect(await settingsOf(topic)).toEqual(lent);
  // Somebody has changed one of the settings since: that stays.
  await setSettings(kept, { ...lent, 'segment.ms': '5000' });

  await log.compact([idle], { signal: never });
  expect(await settingsOf(topic)).toEqual(own);
  expect(await settingsOf(kept)).toEqual({ ...own, 'segment.ms': '5000' });
  expect([...(await settingsJournal(log).all()).keys()]).not.toContain(topic);
});

test('a process that finds the settings of another in place gives back what was there before both', async () => {
  const topic = await topicWith();
  const ours = new Map([['segment.ms', '1000']]);
  const lending = () => new LentSettings({ admin, journal: settingsJournal(log), ours });
  const [first, second] = [lending(), lending()];
  await first.lend([topic], ['segment.ms']);
  await second.lend([topic], ['segment.ms']);
  await first.giveBack();
  expect(await settingsOf(topic)).toEqual(own);
  await second.lend([topic], ['segment.ms']);
  expect((await settingsOf(topic))['segment.ms']).toBe('1000');
  await second.giveBack();
  expect(await settingsOf(topic)).toEqual(own);
});

test('what was lent is given back, and what was given back is lent, also while brokers show what was before', async () => {
  const topic = await topicWith();
  const ours = new Map([['segment.ms', '1000']]);
  const settings = new LentSettings({ admin: lagging(admin, 3), journal: settingsJournal(log), ours });
  for (let turn = 0; turn < 2; turn++) {
    await settings.lend([topic], ['segment.ms']);
    expect((await settingsOf(topic))['segment.ms']).toBe('1000');
    await settings.giveBack();
    expect(await settingsOf(topic)).toEqual(own);
  }
});

/** A broker that hears of each change a little later: it answers so often with what was before. */
function lagging(admin: Admin, answers: number): Admin {
  let before: ReturnType<Admin['describeConfigs']> | null = null;
  let left = 0;
  const asked = { includeSynonyms: false, resources: [] as ResourceConfigQuery[] };
  return instead(admin, {
    describeConfigs: (question: typeof asked) => {
      if (before && left-- > 0) return before;
      asked.resources = question.resources;
      return admin.describeConfigs(question);
    },
    alterConfigs: async (change: Parameters<Admin['alterConfigs']>[0]) => {
      before = admin.describeConfigs(asked);
      await before;
      await admin.alterConfigs(change);
      left = answers;
    },
  });
}

test('beginning a segment shows nobody a record, also those who read what is not committed', async () => {
  const topic = await topicWith({ 'cleanup.policy': 'compact', 'segment.ms': '1' }, 3);
  await append(topic, '1');
  await rollSegments(
    kafka,
    [0, 1, 2].map((partition) => partitionKey(topic, partition)),
  );
  await append(topic, '2');
  const offsets = await log.offsets([topic]);
  // Each marker has an offset, and the partition that is first has another one that may still be on its way.
  expect([1, 2].map((p) => offsets.get(partitionKey(topic, p))?.end)).toEqual([1, 1]);
  const consumer = kafka.consumer({ groupId: uniqueName('foreign'), readUncommitted: true });
  onTestFinished(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const seen: string[] = [];
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      seen.push(`${partition} ${message.value}`);
    },
  });
  await expect.poll(() => seen, patience).toEqual(['0 1', '0 2']);
});
