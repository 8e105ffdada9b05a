import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inspect } from '../../../../connectors/source/postgres/inspect.ts';
import { slotStatus } from '../../../../connectors/source/postgres/slot.ts';
import { parseLsn } from '../../../../core/lsn.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import { startPostgres } from '../../../../stack/postgres.ts';
import { type Capture, capture, recordsOf, slotOf, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { instead } from '../../../support/instead.ts';
import { sourceStreams } from '../../../support/source-streams.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture | null;

beforeEach(async () => {
  db = await createDatabase();
  log = await temporaryLog();
  running = null;
});
afterEach(async () => {
  await running?.stop().catch(() => {});
  await log.close();
  await db.drop();
});

const start = (options = {}) => {
  running = capture(log, { url: db.url, ...options });
  return running;
};
const rows = (topic: string) => tableOf(log, topic);
const count = async (topic: string) =>
  [...(await log.offsets([topic])).values()].reduce((sum, o) => sum + o.end, 0);
/** Resolves when everything committed so far is in the Log. */
async function caughtUp(): Promise<void> {
  const { rows } = await db.client.query('select pg_current_wal_lsn() as lsn');
  const target = parseLsn(rows[0].lsn);
  await eventually('the slot reaches the present', async () => {
    const { confirmedLsn } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
    return confirmedLsn !== null && confirmedLsn >= target;
  });
}

const streams = () => sourceStreams(db, slotOf(db.url));

/** The Log, with something to be done before each append. */
const withAppend = (first: (records: Parameters<EmbeddedLog['append']>[0]) => Promise<void>): EmbeddedLog =>
  instead<EmbeddedLog>(log, {
    append: async (records: Parameters<EmbeddedLog['append']>[0]) => {
      await first(records);
      return log.append(records);
    },
  });

describe('the first snapshot', () => {
  test('under concurrent writes it has no gap to the stream and no overlap with it', async () => {
    await db.client.query(`create table t (id int primary key, n int not null);
      insert into t select g, 0 from generate_series(1, 20000) g`);
    const writer = await createWriter(db);
    let writes = 0;
    let writing = true;
    const busy = (async () => {
      while (writing) {
        writes++;
        await writer.query(
          `with u as (update t set n = n + 1 where id = $1), d as (delete from t where id = $2) insert into t values ($3, 1)`,
          [1 + (writes % 1000), 10_000 + writes, 100_000 + writes],
        );
      }
    })();
    start({ tables: ['public.t'] });
    await eventually('the stream has begun', async () => (await count('shop.public.t')) > 20_100);
    writing = false;
    await busy;
    await writer.end();
    await caughtUp();
    const expected = await db.client.query('select id, n from t');
    const table = await rows('shop.public.t');
    expect(table.size).toBe(expected.rows.length);
    for (const { id, n } of expected.rows)
      expect(table.get(`{"id":${id}}`)).toEqual({ id: Number(id), n: Number(n) });
    // No overlap: what the snapshot has read does not come once more as a change at or below its own LSN.
    const records = await recordsOf(log, 'shop.public.t');
    const lsnOf = (r: (typeof records)[number]) => parseLsn(r.headers.lsn!.toString());
    const snapshotLsn = lsnOf(records.find((r) => r.headers.op!.toString() === 'r')!);
    const changes = records.filter((r) => r.headers.op!.toString() !== 'r');
    expect(changes.length).toBeGreaterThan(0);
    for (const change of changes) expect(lsnOf(change)).toBeGreaterThanOrEqual(snapshotLsn);
    const inserted = records
      .filter((r) => r.headers.op!.toString() === 'c')
      .map((r) => r.key!.toString('hex'));
    expect(new Set(inserted).size).toBe(inserted.length);
    // A row that the stream inserts cannot have been in the snapshot, since no id is ever used twice.
    const read = new Set(
      records.filter((r) => r.headers.op!.toString() === 'r').map((r) => r.key!.toString('hex')),
    );
    expect(inserted.filter((key) => read.has(key))).toEqual([]);
  });

  test('it is taken again after it was interrupted, without losing what was deleted meanwhile', async () => {
    await db.client.query(
      `create table t (id int primary key, pad text); insert into t select g, repeat('x', 500) from generate_series(1, 40000) g`,
    );
    const first = start({ tables: ['public.t'] });
    await eventually('a part of the snapshot is in the Log', async () => (await count('shop.public.t')) > 0);
    await first.stop();
    await db.client.query('delete from t where id <= 20000; insert into t values (99999, null)');
    start({ tables: ['public.t'] });
    await eventually('the snapshot is complete', async () => (await rows('shop.public.t')).size === 20_001);
    expect((await rows('shop.public.t')).has('{"id":1}')).toBe(false);
  });

  test('a table that is written anew before it is read, as by a new type, loses no row', async () => {
    await db.client.query(`create table a (id int primary key, pad text);
      insert into a select g, repeat('x', 800) from generate_series(1, 20000) g;
      create table b (id int primary key, v int); insert into b select g, g from generate_series(1, 20) g;
      create table c (id int primary key, v int) partition by range (id);
      create table c1 partition of c for values from (0) to (100); insert into c values (1, 1), (2, 2)`);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let reached = false;
    const holding = withAppend(async (records) => {
      if (records[0]?.topic === 'shop.public.a') {
        reached = true;
        await held;
      }
    });
    running = capture(holding, { url: db.url, tables: ['public.a', 'public.b', 'public.c'] });
    // No more of the first table is read than may wait, so that the others are not read yet.
    await eventually('the first table is being read', () => reached);
    await db.client.query('alter table b alter v type bigint; alter table c alter v type bigint');
    await db.client.query('update b set v = v + 100 where id = 3; delete from c where id = 2');
    release();
    await caughtUp();
    expect((await rows('shop.public.a')).size).toBe(20_000);
    const b = await rows('shop.public.b');
    expect(b.size).toBe(20);
    expect(b.get('{"id":3}')).toMatchObject({ v: 103n });
    expect([...(await rows('shop.public.c')).keys()]).toEqual(['{"id":1}']);
  });

  test('a migration of tables that are read or yet to be read does not wait for the one that is being read', async () => {
    await db.client.query(`create table a (id int primary key, v int); insert into a values (1, 1);
      create table b (id int primary key, pad text);
      insert into b select g, repeat('x', 800) from generate_series(1, 20000) g;
      create table c (id int primary key references a, v int); insert into c values (1, 1)`);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let reached = false;
    const holding = withAppend(async (records) => {
      if (records[0]?.topic === 'shop.public.b') {
        reached = true;
        await held;
      }
    });
    running = capture(holding, { url: db.url, tables: ['public.a', 'public.b', 'public.c'] });
    await eventually('the second table is being read', () => reached);
    await db.client.query("set lock_timeout = '10s'; alter table c drop constraint c_id_fkey, add w int");
    await db.client.query('alter table a add w int default 5; update a set v = 2');
    release();
    await caughtUp();
    expect((await rows('shop.public.a')).get('{"id":1}')).toMatchObject({ v: 2, w: 5 });
    expect((await rows('shop.public.b')).size).toBe(20_000);
    expect((await rows('shop.public.c')).size).toBe(1);
  });
});

describe('changes', () => {
  test('a changed key deletes the old row, and TRUNCATE deletes all rows', async () => {
    await db.client.query(
      "create table t (a int, b text, v int, primary key (a, b)); insert into t values (1, 'x', 1), (2, 'y', 2)",
    );
    start({ tables: ['public.t'] });
    await eventually('the snapshot', async () => (await rows('shop.public.t')).size === 2);
    await db.client.query('update t set a = 7 where a = 1');
    await caughtUp();
    expect([...(await rows('shop.public.t')).keys()].sort()).toEqual(['{"a":2,"b":"y"}', '{"a":7,"b":"x"}']);
    await db.client.query("begin; truncate t; insert into t values (3, 'z', 3); commit");
    await caughtUp();
    expect([...(await rows('shop.public.t')).values()]).toEqual([{ a: 3, b: 'z', v: 3 }]);
  });

  test('an unchanged TOASTed value is completed, and never null or a magic string', async () => {
    await db.client.query(`create table t (id int primary key, n int, big text, bytes bytea);
      alter table t alter big set storage external; alter table t alter bytes set storage external;
      insert into t select g, 0, repeat(g || '-', 3000), convert_to(repeat('b', 9000), 'UTF8') from generate_series(1, 3) g`);
    start({ tables: ['public.t'] });
    await eventually('the snapshot', async () => (await rows('shop.public.t')).size === 3);
    await db.client.query('update t set n = 1 where id = 1; update t set id = 20 where id = 2');
    await db.client.query('begin; update t set n = 5 where id = 3; delete from t where id = 3; commit');
    await db.client.query('alter table t replica identity full; update t set n = 2 where id = 1');
    await caughtUp();
    const table = await rows('shop.public.t');
    expect(table.size).toBe(2);
    expect(table.get('{"id":1}')).toMatchObject({ n: 2, big: '1-'.repeat(3000) });
    expect(table.get('{"id":20}')).toMatchObject({ n: 0, big: '2-'.repeat(3000) });
    expect(Buffer.from(table.get('{"id":20}')!.bytes as Buffer).toString()).toBe('b'.repeat(9000));
    const ops = (await recordsOf(log, 'shop.public.t')).map((r) => r.headers.op!.toString());
    expect(ops.filter((op) => op === 'u').length).toBeGreaterThanOrEqual(2);
    // A row has no record under its new key before.
    expect(ops.filter((op) => op === 'c')).toEqual(['c']);
  });

  test('DDL in mid-stream makes new schema versions and the stream goes on', async () => {
    await db.client.query('create table t (id int primary key, a int, b text)');
    const { acknowledged } = start({ tables: ['public.t'] });
    // Earlier, the slot is active already, but the table may still be read as it was described.
    await eventually('the snapshot is complete', () => acknowledged.length > 0);
    await db.client.query("insert into t values (1, 1, 'one')");
    await db.client.query(
      "begin; alter table t add column c numeric default 1.50; insert into t values (2, 2, 'two'); commit",
    );
    await db.client.query('alter table t drop column b; insert into t values (3, 3, 3.0)');
    await db.client.query('alter table t rename column a to "A b"; insert into t values (4, 4, 4)');
    await db.client.query(
      'alter table t alter column "A b" type bigint; insert into t values (5, 9007199254740993, 5)',
    );
    await caughtUp();
    const table = await rows('shop.public.t');
    expect(table.get('{"id":1}')).toEqual({ id: 1, a: 1, b: 'one' });
    expect(table.get('{"id":2}')).toEqual({ id: 2, a: 2, b: 'two', c: '1.50' });
    expect(table.get('{"id":3}')).toEqual({ id: 3, a: 3, c: '3.0' });
    expect(table.get('{"id":4}')).toEqual({ id: 4, A_x20_b: 4, c: '4' });
    expect(table.get('{"id":5}')).toEqual({ id: 5, A_x20_b: 9007199254740993n, c: '5' });
  });

  test('a schema that the registry refuses stops that table only, and it is read again once it may go on', async () => {
    await db.client.query(
      'create table bad (id int primary key, v int); create table good (id int primary key); insert into bad values (1, 1)',
    );
    const stopped: string[] = [];
    const first = start({
      tables: ['public.bad', 'public.good'],
      onTableStopped: (table: string) => stopped.push(table),
    });
    await eventually('the snapshot', async () => (await rows('shop.public.bad')).size === 1);
    await db.client.query(
      "alter table bad alter column v type text; insert into bad values (2, 'two'); delete from bad where id = 1; insert into good values (1)",
    );
    await caughtUp();
    expect(stopped).toEqual(['public.bad']);
    expect((await rows('shop.public.good')).size).toBe(1);
    expect((await rows('shop.public.bad')).size).toBe(1);
    await first.stop();
    await db.client.query(
      "alter table bad drop column v; alter table bad add column w text; update bad set w = 'later'",
    );
    start({ tables: ['public.bad', 'public.good'] });
    await eventually(
      'the table is read again',
      async () => (await rows('shop.public.bad')).get('{"id":2}')?.w === 'later',
    );
    expect((await rows('shop.public.bad')).has('{"id":1}')).toBe(false);
  });

  test('quoted names, many tables, column lists and row filters are honoured', async () => {
    await db.client.query(`create schema "We ird"; create table "We ird"."ta.ble-1" ("the key" int primary key, "x y" text);
      ${Array.from({ length: 40 }, (_, i) => `create table m${i} (id int primary key, secret text); insert into m${i} values (${i}, 's');`).join('\n')}
      create publication insideout_shop for table "We ird"."ta.ble-1", ${Array.from({ length: 39 }, (_, i) => `m${i}`).join(', ')}, m39 (id) where (id > 100);
      insert into "We ird"."ta.ble-1" values (1, 'v')`);
    start();
    await eventually('the snapshot', async () => (await count('shop.public.m38')) === 1);
    await db.client.query("insert into m39 values (5, 'a'), (500, 'b')");
    await caughtUp();
    expect([...(await rows('shop.We_x20_ird.ta_x2e_ble_x2d_1')).values()]).toEqual([
      { the_x20_key: 1, x_x20_y: 'v' },
    ]);
    expect([...(await rows('shop.public.m39')).values()]).toEqual([{ id: 500 }]);
  });

  test('columns that the index of a key only includes are no part of the key', async () => {
    await db.client.query(
      'create table t (id int, v int, primary key (id) include (v)); insert into t values (1, 1), (2, 2)',
    );
    start({ tables: ['public.t'] });
    await eventually('the snapshot', async () => (await rows('shop.public.t')).size === 2);
    await db.client.query('update t set v = 3 where id = 1; delete from t where id = 2');
    await caughtUp();
    expect([...(await rows('shop.public.t'))]).toEqual([['{"id":1}', { id: 1, v: 3 }]]);
  });

  test('a partitioned table is captured as one table', async () => {
    await db.client.query(`create table p (id int primary key, v text) partition by range (id);
      create table p1 partition of p for values from (0) to (100); create table p2 partition of p for values from (100) to (200);
      insert into p values (1, 'a'), (150, 'b')`);
    start({ tables: ['public.p'] });
    await eventually('the snapshot', async () => (await rows('shop.public.p')).size === 2);
    await db.client.query('update p set id = 151 where id = 1; delete from p where id = 150');
    await caughtUp();
    expect([...(await rows('shop.public.p')).values()]).toEqual([{ id: 151, v: 'a' }]);
  });
});

describe('acknowledgement', () => {
  test('the slot never confirms beyond what the Log holds, and nothing is lost when the Log fails', async () => {
    await db.client.query('create table t (id int primary key)');
    const held: { release: (() => void)[]; fail: boolean } = { release: [], fail: false };
    const holding = withAppend(async (records) => {
      if (records[0]?.topic === 'shop.public.t')
        await new Promise<void>((resolve) => held.release.push(resolve));
      if (held.fail) throw new Error('the Log is broken');
    });
    running = capture(holding, { url: db.url, tables: ['public.t'] });
    await streams();
    await db.client.query('insert into t values (1)');
    const {
      rows: [{ lsn }],
    } = await db.client.query('select pg_current_wal_lsn() as lsn');
    await eventually('the record waits for the Log', () => held.release.length > 0);
    // Keepalives and other transactions come in while the record is not durable.
    await db.client.query("select pg_logical_emit_message(true, 'x', 'y'); create table other (id int)");
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = await slotStatus({ url: db.url, slot: slotOf(db.url) });
    expect(before.confirmedLsn!).toBeLessThan(parseLsn(lsn));
    held.fail = true;
    for (const release of held.release) release();
    await expect(running.done).rejects.toThrow('broken');
    running = null;
    expect((await slotStatus({ url: db.url, slot: slotOf(db.url) })).confirmedLsn!).toBeLessThan(
      parseLsn(lsn),
    );
    start({ tables: ['public.t'] });
    await eventually('the record is there after all', async () => (await rows('shop.public.t')).size === 1);
  });

  test('of two interleaved transactions none is lost, whatever commit was the last to be acknowledged', async () => {
    await db.client.query('create table t (id int primary key)');
    const [a, b] = [await createWriter(db), await createWriter(db)];
    for (let round = 0; round < 6; round++) {
      const source = start({ tables: ['public.t'] });
      await streams();
      await a.query('begin');
      await a.query('insert into t values ($1)', [round * 10]);
      await b.query('begin');
      await b.query('insert into t values ($1)', [round * 10 + 1]);
      await a.query('commit');
      await eventually('the first commit is in the Log', async () =>
        (await rows('shop.public.t')).has(`{"id":${round * 10}}`),
      );
      if (round % 2 === 0) await source.stop();
      await b.query('commit');
      if (round % 2 === 1) await source.stop();
    }
    await Promise.all([a.end(), b.end()]);
    start({ tables: ['public.t'] });
    await caughtUp();
    expect((await rows('shop.public.t')).size).toBe(12);
  });

  test('an idle source does not hold WAL back', async () => {
    await db.client.query('create table t (id int primary key); create table unpublished (v text)');
    start({ tables: ['public.t'] });
    await streams();
    await db.client.query("insert into unpublished select repeat('x', 1000) from generate_series(1, 20000)");
    await caughtUp();
    const { rows } = await db.client.query('select pg_current_wal_lsn() as lsn');
    const written = parseLsn(rows[0].lsn);
    // The slot lets WAL go when it has confirmed what a checkpoint wrote about running transactions. How much it
    // holds is no measure: other tests write at the same time.
    await eventually('the WAL is let go', async () => {
      await db.client.query('checkpoint');
      const { restartLsn } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
      return restartLsn! >= written;
    });
  });

  test('a heartbeat moves the slot of a database in which nothing happens', async () => {
    // A server of its own: what happens in other databases of a shared one moves every slot.
    const server = await startPostgres({ settings: { autovacuum: 'off' } });
    const idle = await createDatabase(server.url);
    try {
      await idle.client.query('create table t (id int primary key)');
      start({ url: idle.url, tables: ['public.t'], heartbeatMs: 50 });
      const seen = new Set<bigint>();
      // Without a heartbeat only the server itself writes, once in 15 seconds at most.
      await eventually(
        'the slot moves again and again',
        async () => {
          const { active, confirmedLsn } = await slotStatus({ url: idle.url, slot: slotOf(idle.url) });
          if (active && confirmedLsn !== null) seen.add(confirmedLsn);
          return seen.size >= 4;
        },
        20,
      );
      await running?.stop();
    } finally {
      await idle.drop();
      await server.stop();
    }
  });

  test('a slot that is gone is a named error with the choice, and --resnapshot takes it', async () => {
    await db.client.query('create table t (id int primary key); insert into t values (1), (2)');
    const first = start({ tables: ['public.t'] });
    await eventually('the snapshot', async () => (await rows('shop.public.t')).size === 2);
    await caughtUp();
    await first.stop();
    await db.client.query(`select pg_drop_replication_slot('${slotOf(db.url)}')`);
    await db.client.query('delete from t where id = 1');
    await expect(start({ tables: ['public.t'] }).done).rejects.toMatchObject({
      code: 'SOURCE_SLOT_LOST',
      hint: expect.stringContaining('--resnapshot'),
    });
    start({ tables: ['public.t'], resnapshot: true });
    await eventually(
      'the missed delete is made up for',
      async () => (await rows('shop.public.t')).size === 1,
    );
    // A truncate record is nothing to compaction: the row leaves the Log by a tombstone.
    const records = await recordsOf(log, 'shop.public.t');
    const newest = new Map(records.map((r) => [r.key!.toString('hex'), r]));
    const isRow = (r: (typeof records)[number]) => r.value !== null && r.headers.op!.toString() !== 't';
    expect([...newest.values()].filter(isRow).length).toBe(1);
  });
});

describe('a database that cannot be captured is refused with the mend, and nothing is left behind', () => {
  const nothingLeft = async () => {
    const { rows: slots } = await db.client.query('select 1 from pg_replication_slots where database = $1', [
      db.name,
    ]);
    const { rows: publications } = await db.client.query('select 1 from pg_publication');
    expect([slots.length, publications.length]).toEqual([0, 0]);
  };

  test.each([
    [
      'a table without a key',
      'create table t (v int)',
      { tables: ['public.t'] },
      'SOURCE_REPLICA_IDENTITY',
      'ADD PRIMARY KEY',
    ],
    [
      'replica identity nothing',
      'create table t (id int primary key); alter table t replica identity nothing',
      { tables: ['public.t'] },
      'SOURCE_REPLICA_IDENTITY',
      'ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT',
    ],
    [
      'a deferrable primary key, with which Postgres would refuse updates and deletes',
      'create table t (b int, a int, v int, constraint late primary key (b, a) deferrable)',
      { tables: ['public.t'] },
      'SOURCE_REPLICA_IDENTITY',
      'ALTER TABLE "public"."t" DROP CONSTRAINT "late", ADD PRIMARY KEY ("b", "a");',
    ],
    [
      'a deferrable primary key beside replica identity full, by which rows cannot be told apart in a transaction',
      'create table t (id int primary key deferrable); alter table t replica identity full',
      { tables: ['public.t'] },
      'SOURCE_REPLICA_IDENTITY',
      'ADD PRIMARY KEY ("id")',
    ],
    [
      'an unlogged table',
      'create unlogged table t (id int primary key)',
      { tables: ['public.t'] },
      'SOURCE_REPLICA_IDENTITY',
      'ALTER TABLE "public"."t" SET LOGGED;',
    ],
    [
      'a view',
      'create table t (id int primary key); create view v as select * from t',
      { tables: ['public.v'] },
      'SOURCE_PUBLICATION_MISSING',
      'List the tables that it is made of',
    ],
    [
      'a missing table',
      'select 1',
      { tables: ['public.nope'] },
      'SOURCE_PUBLICATION_MISSING',
      'schema.table',
    ],
    ['a missing publication', 'select 1', {}, 'SOURCE_PUBLICATION_MISSING', 'CREATE PUBLICATION'],
  ])('%s', async (_name, sql, options, code, mend) => {
    await db.client.query(sql);
    await expect(start(options).done).rejects.toMatchObject({ code, hint: expect.stringContaining(mend) });
    await nothingLeft();
  });

  test('a deferrable primary key is captured once the mend was run', async () => {
    await db.client.query('create table t (id int, v int, constraint late primary key (id) deferrable)');
    const { hint } = await start({ tables: ['public.t'] }).done.catch((error) => error);
    await db.client.query(/ALTER .+;/.exec(hint)![0]);
    const { acknowledged } = start({ tables: ['public.t'] });
    await eventually('it runs', () => acknowledged.length > 0);
    await db.client.query('insert into t values (1, 1), (2, 2); update t set v = 3 where id = 1');
    await caughtUp();
    expect((await rows('shop.public.t')).get('{"id":1}')).toEqual({ id: 1, v: 3 });
  });

  test.each([
    ['a partitioned table', 'create publication insideout_shop for table p'],
    ['a partitioned table among all', 'create publication insideout_shop for all tables'],
  ])('%s that is published by its partitions is told how it is published as one', async (_name, publish) => {
    await db.client.query(`create table p (id int primary key) partition by range (id);
      create table p1 partition of p for values from (0) to (100); insert into p values (1); ${publish}`);
    const message = 'The publication "insideout_shop" has partitions of public.p and not the table as one.';
    const mend = 'ALTER PUBLICATION "insideout_shop" SET (publish_via_partition_root = true);';
    const failure = await start({ tables: ['public.p'] }).done.catch((error) => error);
    expect(failure).toMatchObject({ code: 'SOURCE_PUBLICATION_MISSING', message, hint: `Run: ${mend}` });
    const options = { name: 'shop', url: db.url, publication: 'insideout_shop', slot: slotOf(db.url) };
    const findings = await inspect({ ...options, tables: ['public.p'] });
    expect(findings).toContainEqual(expect.objectContaining({ check: 'table public.p', message, mend }));
    await db.client.query(mend);
    start({ tables: ['public.p'] });
    await eventually('the snapshot', async () => (await rows('shop.public.p')).size === 1);
  });

  test.each([
    [
      'a partition that is published under its root',
      'create publication insideout_shop for table p with (publish_via_partition_root = true)',
      'public.p1',
      'is a partition of public.p',
      'List public.p',
    ],
    [
      'a view',
      'create view v as select 1 as id; create publication insideout_shop for table p',
      'public.v',
      'is a view',
      'List the tables',
    ],
    [
      'an unlogged table',
      'create unlogged table u (id int primary key); create publication insideout_shop for table p',
      'public.u',
      'is unlogged',
      'Run: ALTER TABLE "public"."u" SET LOGGED;',
    ],
    [
      'a table',
      'create table u (id int primary key); create publication insideout_shop for table p',
      'public.u',
      'lacks public.u',
      'Run: ALTER PUBLICATION "insideout_shop" ADD TABLE "public"."u";',
    ],
    [
      'what does not exist',
      'create publication insideout_shop for table p',
      'public.nope',
      'There is no table public.nope',
      'Correct `tables`',
    ],
  ])('%s that is not in the publication is told what to do instead', async (_name, sql, table, why, mend) => {
    await db.client.query(`create table p (id int primary key) partition by range (id);
      create table p1 partition of p for values from (0) to (100); ${sql}`);
    await expect(start({ tables: [table] }).done).rejects.toMatchObject({
      message: expect.stringContaining(why),
      hint: expect.stringContaining(mend),
    });
  });

  test('a role that may not replicate', async () => {
    const role = `r_${db.name}`;
    await db.client.query(`create table t (id int primary key); create role ${role} login`);
    try {
      const url = db.url.replace('postgres@', `${role}@`);
      await expect(start({ url, tables: ['public.t'] }).done).rejects.toMatchObject({
        code: 'SOURCE_PERMISSION',
        hint: expect.stringContaining('REPLICATION'),
      });
      await nothingLeft();
    } finally {
      await db.client.query(`drop role ${role}`);
    }
  });

  test('doctor finds the same without touching anything', async () => {
    await db.client.query('create table t (v int)');
    const findings = await inspect({
      name: 'shop',
      url: db.url,
      publication: 'p',
      slot: 's',
      tables: ['public.t'],
    });
    expect(findings.find((f) => f.check === 'table public.t')).toMatchObject({
      ok: false,
      mend: expect.stringContaining('ADD PRIMARY KEY'),
    });
    await nothingLeft();
  });
});

async function createWriter(database: TestDatabase) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return client;
}
