import { expect, test } from 'vitest';
import { CaptureState, stateTopic } from '../../../../connectors/source/postgres/capture-state.ts';
import { InsideoutError } from '../../../../core/errors.ts';
import { temporaryLog } from '../../../support/capture.ts';

const refusal = new InsideoutError('SCHEMA_INCOMPATIBLE', 'The new schema is refused.', { hint: 'Undo it.' });
const told = { code: 'SCHEMA_INCOMPATIBLE', message: refusal.message, mend: refusal.hint };

test('a table that was refused is told with its mend, in every process, until it is read again', async () => {
  const log = await temporaryLog();
  const state = await CaptureState.read(log, 'shop');
  await state.ensureTopic();
  const tables = async () => (await CaptureState.read(log, 'shop')).stopped;
  await state.done(new Map([['public.a', null]]));
  await state.refuse('public.a', refusal);
  await state.refuse('public.b.c', refusal);
  const all = [
    { table: 'public.a', topic: 'shop.public.a', ...told },
    { table: 'public.b.c', topic: 'shop.public.b_x2e_c', ...told },
  ];
  expect(state.stopped).toEqual(all);
  expect(await tables()).toEqual(all);
  expect((await CaptureState.read(log, 'shop')).get('public.a')).toBe('stopped');

  await state.set(['public.a'], 'stopped');
  expect(await tables()).toEqual([all[1]]);
  await state.done(new Map([['public.b.c', null]]));
  expect(await tables()).toEqual([]);
  await log.close();
});

test('a table that only waits to be read again, as after a lost slot, needs no mend', async () => {
  const log = await temporaryLog();
  const state = await CaptureState.read(log, 'shop');
  await state.ensureTopic();
  await state.done(new Map([['public.a', null]]));
  await state.set(['public.a'], 'stopped');
  expect(state.stopped).toEqual([]);
  // As it was written before reasons were kept.
  const value = Buffer.from('{"phase":"stopped"}');
  await log.append([
    { topic: stateTopic('shop'), partition: 0, key: Buffer.from('x.y'), value, timestamp: 0 },
  ]);
  const read = await CaptureState.read(log, 'shop');
  expect([read.stopped, read.get('x.y')]).toEqual([[], 'stopped']);
  await log.close();
});
