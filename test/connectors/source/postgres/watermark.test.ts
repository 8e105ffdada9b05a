import { expect, test } from 'vitest';
import { Watermark, watermarkTopic } from '../../../../connectors/source/postgres/watermark.ts';
import { recordsOf, temporaryLog } from '../../../support/capture.ts';

test('a Log without a watermark has none, and reading it creates nothing', async () => {
  const log = await temporaryLog();
  expect((await Watermark.read(log, 'shop')).lsn).toBeNull();
  expect(await log.topics()).toEqual([]);
  await log.close();
});

test('the newest one counts, also when it lies further back, and also after a compaction', async () => {
  const log = await temporaryLog();
  const watermark = await Watermark.read(log, 'shop');
  for (const lsn of [10n, 1n << 40n, 20n]) await watermark.set(lsn);
  expect((await Watermark.read(log, 'shop')).lsn).toBe(20n);
  await log.compact([watermarkTopic('shop')], { signal: new AbortController().signal });
  expect((await recordsOf(log, watermarkTopic('shop'))).length).toBe(1);
  expect((await Watermark.read(log, 'shop')).lsn).toBe(20n);
  await watermark.set(null);
  expect((await Watermark.read(log, 'shop')).lsn).toBeNull();
  await log.close();
});

test('a record of somebody else is an error, and not a watermark', async () => {
  const log = await temporaryLog();
  await (await Watermark.read(log, 'shop')).set(10n);
  const value = Buffer.from('{}');
  await log.append([
    { topic: watermarkTopic('shop'), partition: 0, key: Buffer.from('x'), value, timestamp: 0 },
  ]);
  await expect(Watermark.read(log, 'shop')).rejects.toMatchObject({ code: 'RECORD_UNDECODABLE' });
  await log.close();
});
