import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { barriersTopic, decodeBarrier } from '../../../../connectors/source/barriers.ts';
import { postgresBarriers } from '../../../../connectors/source/postgres/barrier-emitter.ts';
import { slotStatus } from '../../../../connectors/source/postgres/slot.ts';
import { parseLsn } from '../../../../core/lsn.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import { type Capture, capture, recordsOf, slotOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture | null;

beforeEach(async () => {
  db = await createDatabase();
  log = await temporaryLog();
  running = null;
  await db.client.query('create table t (id int primary key)');
});
afterEach(async () => {
  await running?.stop().catch(() => {});
  await log.close();
  await db.drop();
});

const topic = 'shop.public.t';
/** The first time there is a snapshot, whose end is acknowledged; the slot alone is active before it. */
async function start({ snapshot = true } = {}) {
  const started = capture(log, { url: db.url, tables: ['public.t'], partitions: 1 });
  running = started;
  await eventually('the stream has begun', async () => {
    const { active } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
    return active && (!snapshot || started.acknowledged.length > 0);
  });
}
const told = async () => (await recordsOf(log, barriersTopic('shop'))).map(decodeBarrier);
const toldOf = (id: string) =>
  eventually(`the barrier ${id}`, async () => (await told()).find((barrier) => barrier.id === id));
const emit = (content: object, transactional = false) =>
  db.client.query(`select pg_logical_emit_message($1, 'insideout', $2)`, [
    transactional,
    JSON.stringify(content),
  ]);

test('a barrier is told once everything that was committed before it is in the Log', async () => {
  await start();
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  await other.query('begin; insert into t values (1000000)');
  for (let n = 0; n < 20; n++) {
    const from = n * 100;
    await db.client.query('insert into t select generate_series($1::int, $2::int)', [from, from + 99]);
    const { rows } = await emit({ id: `b${n}`, n });
    const barrier = await toldOf(`b${n}`);
    expect(barrier.ends.get(`${topic}/0`)).toBe(from + 100);
    expect(barrier.content).toEqual({ id: `b${n}`, n });
    expect(barrier.lsn).toBe(parseLsn(rows[0].pg_logical_emit_message));
  }
  // What commits after a barrier is not before it, wherever it began.
  await other.query('commit');
  await other.end();
  await emit({ id: 'last' });
  expect((await toldOf('last')).ends.get(`${topic}/0`)).toBe(2_001);
});

test('a barrier in a transaction counts at the commit, and one that is rolled back does not', async () => {
  await start();
  await db.client.query('begin');
  await emit({ id: 'undone' }, true);
  await db.client.query('rollback; begin; insert into t values (1)');
  await emit({ id: 'inner' }, true);
  await db.client.query('insert into t values (2); commit');
  expect((await toldOf('inner')).ends.get(`${topic}/0`)).toBe(2);
  expect((await told()).map((b) => b.id)).toEqual(['inner']);
});

test('a barrier written while nobody reads is told when the source runs again, and the slot moves past it', async () => {
  await start();
  await running?.stop();
  await db.client.query('insert into t values (1)');
  const { rows } = await emit({ id: 'away' });
  await start({ snapshot: false });
  const barrier = await toldOf('away');
  expect(barrier.ends.get(`${topic}/0`)).toBe(1);
  await eventually('the slot passes the barrier', async () => {
    const { confirmedLsn } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
    return confirmedLsn !== null && confirmedLsn >= parseLsn(rows[0].pg_logical_emit_message);
  });
  expect((await told()).map((b) => b.id)).toEqual(['away']);
});

test('a barrier whose record was never durable is told after the crash, for the slot stands before it', async () => {
  await start();
  const append = log.append.bind(log);
  log.append = (records) =>
    records[0]?.topic === barriersTopic('shop') ? Promise.reject(new Error('crash')) : append(records);
  await db.client.query('insert into t values (1)');
  await emit({ id: 'again' });
  await expect(running?.done).rejects.toThrow('crash');
  log.append = append;
  await db.client.query('insert into t values (2)');
  await start();
  await toldOf('again');
});

test('malformed and foreign messages are passed over, and hold neither stream nor slot', async () => {
  await start({ snapshot: false });
  for (const [prefix, text] of [
    ['insideout', 'no json'],
    ['insideout', '{"id":5}'],
    ['other', '{"id":"other"}'],
    ['insideout.heartbeat', ''],
  ])
    await db.client.query('select pg_logical_emit_message(false, $1, $2::text)', [prefix, text]);
  const { rows } = await db.client.query('select pg_current_wal_lsn() as lsn');
  await eventually('the slot passes them', async () => {
    const { confirmedLsn } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
    return confirmedLsn !== null && confirmedLsn >= parseLsn(rows[0].lsn);
  });
  await emit({ id: 'ours' });
  await toldOf('ours');
  expect((await told()).map((b) => b.id)).toEqual(['ours']);
});

test('a barrier of the emitter reaches the Log of an idle source within milliseconds, and over a new connection after it broke', async () => {
  await start();
  const emitter = postgresBarriers({ url: db.url, slot: slotOf(db.url) });
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const at = performance.now();
    await emitter.emit(`e${n}`);
    await toldOf(`e${n}`);
    times.push(performance.now() - at);
  }
  // Unflushed they would take 0.1 s in the middle, the walwriter's round being 0.2 s.
  expect(times.sort((a, b) => a - b)[10]).toBeLessThan(60);
  await db.client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_logical_emit_message%' and pid <> pg_backend_pid() and datname = current_database()`,
  );
  await eventually('the emitter works again', () =>
    emitter.emit('after').then(
      () => true,
      () => false,
    ),
  );
  await toldOf('after');
  await emitter.close();
});

test('an emitter whose Postgres does not answer says so', async () => {
  const emitter = postgresBarriers({ url: 'postgres://postgres@127.0.0.1:1/none', slot: 'none' });
  await expect(emitter.emit('x')).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  await emitter.close();
});
