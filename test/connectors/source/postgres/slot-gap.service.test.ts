import { afterEach, beforeEach, expect, test } from 'vitest';
import { slotStatus } from '../../../../connectors/source/postgres/slot.ts';
import { findSlotGap } from '../../../../connectors/source/postgres/slot-gap.ts';
import { Watermark, watermarkTopic } from '../../../../connectors/source/postgres/watermark.ts';
import { InsideoutError } from '../../../../core/errors.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import type { Log, LogRecord } from '../../../../log/log.ts';
import { type Capture, capture, slotOf, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

const topic = 'shop.public.t';
let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture | null;

beforeEach(async () => {
  db = await createDatabase();
  log = await temporaryLog();
  running = null;
  await db.client.query('create table t (id int primary key); insert into t values (1), (2), (3)');
});
afterEach(async () => {
  await running?.stop().catch(() => {});
  await log.close();
  await db.drop();
});

const start = (options: { resnapshot?: boolean; log?: Log } = {}) => {
  const { log: other, ...rest } = options;
  running = capture(other ?? log, { url: db.url, tables: ['public.t'], ...rest });
  return running;
};
const has = (...ids: number[]) =>
  eventually(`the Log has the rows ${ids}`, async () => {
    const keys = (await log.topics()).includes(topic) ? [...(await tableOf(log, topic)).keys()] : [];
    return keys.sort().join() === ids.map((id) => `{"id":${id}}`).join();
  });
const slot = async () => (await slotStatus({ url: db.url, slot: slotOf(db.url) })).confirmedLsn;
const watermark = async () => (await Watermark.read(log, 'shop')).lsn;
const dropSlot = () => db.client.query('select pg_drop_replication_slot($1)', [slotOf(db.url)]);

const broke = new InsideoutError('LOG_UNREACHABLE', 'broken', { hint: 'Mend it.' });

/** The Log, which refuses records from when `breaks` first says so. */
const breaking = (breaks: (records: readonly LogRecord[]) => boolean): Log => {
  let broken = false;
  return new Proxy(log as Log, {
    get: (target, name) => {
      if (name === 'append')
        return (records: readonly LogRecord[]) => {
          broken ||= breaks(records);
          return broken ? Promise.reject(broke) : target.append(records);
        };
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
};

test('the slot is never past the watermark while it moves, and an orderly end brings both to the same point', async () => {
  const source = start();
  await has(1, 2, 3);
  const seen = new Set<bigint>();
  let id = 10;
  await eventually('the slot has moved three times', async () => {
    await db.client.query('insert into t values ($1)', [id++]);
    // Read in this order, a watermark that moves in between can only be further.
    const confirmed = await slot();
    if (confirmed !== null) seen.add(confirmed);
    expect(await watermark()).toBeGreaterThanOrEqual(confirmed!);
    return seen.size > 3;
  });
  await source.stop();
  expect(await slot()).toBe(await watermark());
  expect(await slot()).toBeGreaterThanOrEqual(source.acknowledged.at(-1)!);
});

test('a Log that lost its watermark, or the topic of a table, is refused and left as it is', async () => {
  const options = { name: 'shop', url: db.url, publication: 'insideout_shop', slot: slotOf(db.url) };
  start();
  await has(1, 2, 3);
  await eventually('the snapshot is complete', () => running!.acknowledged.length > 0);
  await running!.stop();
  expect(await findSlotGap(options, log)).toBeNull();
  const before = await slot();

  await log.deleteTopics([topic]);
  const refused = {
    code: 'SOURCE_SLOT_LOST',
    message: expect.stringContaining(topic),
    hint: expect.stringMatching(/slot drop shop.+source run shop --resnapshot.+rebuild <view> --promote/),
  };
  await expect(start().done).rejects.toMatchObject(refused);
  expect(await findSlotGap(options, log)).toMatchObject(refused);
  expect(await log.topics()).not.toContain(topic);

  await log.deleteTopics([watermarkTopic('shop')]);
  await expect(start({ resnapshot: true }).done).rejects.toMatchObject({ code: 'SOURCE_SLOT_LOST' });
  expect(await slot()).toBe(before);

  await dropSlot();
  start({ resnapshot: true });
  await has(1, 2, 3);
});

test('a slot that is gone is found by those who only look, unless nothing was captured yet', async () => {
  const options = {
    name: 'shop',
    url: db.url,
    publication: 'insideout_shop',
    slot: slotOf(db.url),
    tables: ['public.t'],
  };
  expect(await findSlotGap(options, log)).toBeNull();
  start();
  await has(1, 2, 3);
  await eventually('the snapshot is complete', () => running!.acknowledged.length > 0);
  await running!.stop();
  expect(await findSlotGap(options, log)).toBeNull();
  await dropSlot();
  const gone = { code: 'SOURCE_SLOT_LOST', message: expect.stringContaining('is gone') };
  expect(await findSlotGap(options, log)).toMatchObject(gone);
  await expect(start().done).rejects.toMatchObject(gone);
});

test('a mend that breaks off anywhere is gone on with, and brings no deleted row back', async () => {
  start();
  await has(1, 2, 3);
  await eventually('the snapshot is complete', () => running!.acknowledged.length > 0);
  await running!.stop();
  await dropSlot();
  await db.client.query('delete from t where id = 1; insert into t values (4)');
  // After the new slot was made, and after its watermark.
  const to = watermarkTopic('shop');
  const atWatermark = breaking((r) => r[0]!.topic === to && !r[0]!.value!.toString().includes('null'));
  await expect(start({ resnapshot: true, log: atWatermark }).done).rejects.toThrow('broken');
  const confirmed = await slot();
  expect(confirmed).not.toBeNull();
  expect(await watermark()).toBeNull();
  await db.client.query('delete from t where id = 2');
  await expect(start({ log: breaking((r) => r[0]!.topic === topic) }).done).rejects.toThrow('broken');
  expect(await watermark()).toBe(confirmed);
  await db.client.query('insert into t values (5)');
  start();
  await has(3, 4, 5);
});

test('a first start that breaks off before the watermark is gone on with', async () => {
  const to = watermarkTopic('shop');
  const at = (lsn: boolean) => (r: readonly LogRecord[]) =>
    r[0]!.topic === to && r[0]!.value!.toString().includes('null') !== lsn;
  await expect(start({ log: breaking(at(false)) }).done).rejects.toThrow('broken');
  expect(await slot()).toBeNull();
  await expect(start({ log: breaking(at(true)) }).done).rejects.toThrow('broken');
  expect(await slot()).not.toBeNull();
  await db.client.query('delete from t where id = 2');
  start();
  await has(1, 3);
});

test('rows of a first snapshot that broke off are gone when its slot was dropped before the next', async () => {
  const state = breaking((r) => r.some((x) => x.value?.toString().includes('done')));
  await expect(start({ log: state }).done).rejects.toThrow('broken');
  await has(1, 2, 3);
  await dropSlot();
  await db.client.query('delete from t where id = 1');
  start();
  await has(2, 3);
});
