import pg from 'pg';
import { expect, test } from 'vitest';
import type { Problem } from '../../../../connectors/source/postgres/publication.ts';
import { capture, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

test('a first start tells which open transactions it waits for, and goes on when they end', async () => {
  const db = await createDatabase();
  const writer = new pg.Client({ connectionString: db.url });
  await writer.connect();
  const log = await temporaryLog();
  await db.client.query('create table t (id int primary key)');
  await writer.query('begin');
  await writer.query('insert into t values (1)');
  const { rows } = await writer.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = rows[0]!.pid;
  const told: Problem[] = [];
  const running = capture(log, { url: db.url, tables: ['public.t'], onWaiting: (w) => told.push(w) });
  try {
    await eventually('it tells', () => told.length > 0);
    expect(told[0]!.message).toMatch(new RegExp(`began before have ended: process ${pid} of "`));
    expect(told[0]!.mend).toContain(`SELECT pg_terminate_backend(${pid});`);
    expect(await tableOf(log, 'shop.public.t')).toEqual(new Map());
    await writer.query('commit');
    await eventually('the row is there', async () => (await tableOf(log, 'shop.public.t')).size === 1);
  } finally {
    await running.stop();
    await log.close();
    await writer.end();
    await db.drop();
  }
});
