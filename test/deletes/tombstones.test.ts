import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint } from '../../core/position.ts';
import { retentionWarnings } from '../../deletes/tombstones.ts';
import type { EmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log } from '../../log/log.ts';
import type { Catalog } from '../../materializer/generations/catalog.ts';
import type { StoreOf } from '../../materializer/generations/progress.ts';
import { temporaryLog } from '../support/capture.ts';

let log: EmbeddedLog;
beforeEach(async () => {
  log = await temporaryLog();
  await log.ensureTopics([{ name: 'shop.public.t', partitions: 2, cleanup: 'compact' }]);
});
afterEach(() => log.close());

const hour = 3_600_000;
const now = 100 * hour;
const generation = {
  view: 'card',
  generation: 3,
  store: 'local',
  state: 'active',
  input: 'shop.public.t',
  origin: { topic: 'shop.public.t', key: {} },
};
const catalog = { refresh: async () => {}, state: { generations: [generation] } } as unknown as Catalog;
const storeAt = (checkpoint: Checkpoint): StoreOf =>
  (async () => ({
    find: async () => ({ checkpoint: async () => checkpoint }),
  })) as unknown as StoreOf;
const append = (partition: number, hoursAgo: number) =>
  log.append([
    {
      topic: 'shop.public.t',
      partition,
      key: Buffer.from(`${hoursAgo}`),
      value: null,
      timestamp: now - hoursAgo * hour,
    },
  ]);
const warnings = (checkpoint: [string, number][], over: Partial<Log> = {}) =>
  retentionWarnings(['shop.public.t'], {
    log: Object.assign(Object.create(log) as Log, {
      schemas: log.schemas,
      consume: log.consume.bind(log),
      offsets: log.offsets.bind(log),
      tombstoneRetention: log.tombstoneRetention.bind(log),
      ...over,
    }),
    catalog,
    store: storeAt(new Map(checkpoint)),
    signal: AbortSignal.timeout(20_000),
    now,
  });

test('a view whose oldest unread record is older than half of the time that tombstones stay is warned of', async () => {
  await append(0, 30);
  await append(0, 1);
  await append(1, 13);
  const read: [string, number][] = [['shop.public.t/0', 1]];
  expect(await warnings([...read, ['shop.public.t/1', 1]])).toEqual([]);
  expect(await warnings(read)).toEqual([
    'card g3 is 13 h behind, and shop.public.t keeps tombstones for 24 h: let it catch up, or rebuild it; raise delete.retention.ms, or a view that lags longer misses deletions.',
  ]);
});

test('a topic that forgets tombstones within an hour is warned of, and one that is not compacted is not', async () => {
  const keeps = (ms: number) => ({ tombstoneRetention: async () => new Map([['shop.public.t', ms]]) });
  expect(await warnings([], keeps(hour))).toEqual([]);
  expect(await warnings([], keeps(90_000))).toEqual([
    expect.stringMatching(/^shop\.public\.t keeps tombstones for 2 min only: raise delete\.retention\.ms/),
  ]);
  await append(0, 99);
  expect(await warnings([], { tombstoneRetention: async () => new Map() })).toEqual([]);
});
