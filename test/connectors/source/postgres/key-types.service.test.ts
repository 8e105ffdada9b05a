import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CaptureState } from '../../../../connectors/source/postgres/capture-state.ts';
import { slotStatus } from '../../../../connectors/source/postgres/slot.ts';
import { parseLsn } from '../../../../core/lsn.ts';
import { openKafkaLog } from '../../../../log/kafka/kafka-log.ts';
import type { Log } from '../../../../log/log.ts';
import { decodeAvro } from '../../../support/avro-decode.ts';
import { type Capture, capture, recordsOf, slotOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { servers, uniqueName } from '../../../support/servers.ts';

const logs: Record<string, () => Promise<Log>> = {
  'the embedded Log': temporaryLog,
  Kafka: () => {
    const { kafka, registry } = servers();
    return openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  },
};

describe.each(Object.keys(logs))('a key column that gets another type, on %s', (kind) => {
  let db: TestDatabase;
  let log: Log;
  let name: string;
  let running: Capture | null = null;
  let stopped: string[];

  beforeEach(async () => {
    db = await createDatabase();
    log = await logs[kind]!();
    name = uniqueName('keys');
    stopped = [];
  });
  afterEach(async () => {
    await running?.stop().catch(() => {});
    running = null;
    await log.close();
    await db.drop();
  });

  const start = async () => {
    running = capture(log, {
      url: db.url,
      name,
      tables: ['public.t'],
      onTableStopped: (table) => stopped.push(table),
    });
    const { done, acknowledged } = running;
    await eventually('the stream', async () => {
      await Promise.race([done, null]);
      const { active } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
      // What was read first is acknowledged; before that a table may still be read as it was described.
      return active && acknowledged.length > 0;
    });
  };
  const stop = async () => {
    await running?.stop();
    running = null;
  };
  const caughtUp = async () => {
    const { rows } = await db.client.query('select pg_current_wal_lsn() as lsn');
    const target = parseLsn(rows[0].lsn);
    await eventually('the slot reaches the present', async () => {
      const { confirmedLsn } = await slotStatus({ url: db.url, slot: slotOf(db.url) });
      return confirmedLsn !== null && confirmedLsn >= target;
    });
  };
  /** What a reader of the topic has that goes by bytes and partitions alone, as compaction does. */
  const logged = async ({ truncated = true } = {}) => {
    const rows = new Map<string, Record<string, unknown>>();
    for (const { partition, key, value, headers } of await recordsOf(log, `${name}.public.t`)) {
      const place = `${partition} ${key!.toString('hex')}`;
      if (headers.op?.toString() === 't') {
        for (const at of rows.keys()) if (truncated && at.startsWith(`${partition} `)) rows.delete(at);
      } else if (value === null) rows.delete(place);
      else rows.set(place, await decodeAvro(log.schemas, value));
    }
    return [...rows.values()].map(({ id, v }) => `${id}: ${v}`).sort();
  };
  const inPostgres = async () => {
    const { rows } = await db.client.query('select id, v from t');
    return rows.map(({ id, v }) => `${id}: ${v}`).sort();
  };

  test('keeps its bytes and its partition where the values are the same: integers, and texts', async () => {
    await db.client.query(`create table t (id int, code varchar(5), v int, primary key (id, code));
      insert into t select g, 'c' || g, 0 from generate_series(1, 40) g`);
    await start();
    await db.client.query('update t set v = 1 where id > 30');
    await db.client.query('alter table t alter id type bigint');
    await db.client.query(
      'update t set v = 2 where id between 5 and 15; delete from t where id between 8 and 9',
    );
    await db.client.query('alter table t alter code type text');
    await db.client.query(
      "insert into t values (9007199254740993, 'a longer one', 3); delete from t where id < 3",
    );
    await caughtUp();
    expect(await logged()).toEqual(await inPostgres());
    const places = new Map<string, Set<string>>();
    for (const { partition, key } of await recordsOf(log, `${name}.public.t`)) {
      const { id } = await decodeAvro(log.schemas, key!);
      places.set(`${id}`, (places.get(`${id}`) ?? new Set()).add(`${partition} ${key!.toString('hex')}`));
    }
    expect(places.size).toBe(41);
    expect([...places.values()].filter((of) => of.size > 1)).toEqual([]);
    expect(stopped).toEqual([]);
  });

  test('stops the table where other bytes come of it, until it is read again with its new keys', async () => {
    await db.client.query(`create table t (id numeric(8, 0) primary key, v int);
      insert into t select g, 0 from generate_series(1, 30) g`);
    await start();
    await db.client.query('update t set v = 1 where id > 20');
    await caughtUp();
    const before = await logged();
    // The same Avro type, and 1 is printed as 1.00.
    await db.client.query('alter table t alter id type numeric(8, 2); update t set v = 2 where id < 5');
    await db.client.query('alter table t alter id type numeric(8, 0); delete from t where id = 7');
    await caughtUp();
    expect(stopped).toEqual(['public.t']);
    expect(await logged()).toEqual(before);
    await stop();
    await db.client.query('alter table t alter id type numeric(8, 2); delete from t where id = 8');
    await start();
    await db.client.query('update t set v = 3 where id = 10; delete from t where id = 11');
    await caughtUp();
    expect(await logged()).toEqual(await inPostgres());
    // Compaction does not know of truncate records: what is under former keys must have tombstones of its own.
    expect(await logged({ truncated: false })).toEqual(await inPostgres());
  });

  test('writes nothing under its former keys when changes from before it was read again come once more', async () => {
    await db.client.query(`create table t (id numeric(8, 0) primary key, v int);
      insert into t select g, 0 from generate_series(1, 10) g`);
    await start();
    await caughtUp();
    await stop();
    await db.client.query('update t set v = 1 where id < 5; delete from t where id = 6');
    await db.client.query('alter table t alter id type numeric(8, 2); update t set v = 2 where id = 3');
    // As if it had been stopped, and the process killed before Postgres was told.
    await (await CaptureState.read(log, name)).set(['public.t'], 'stopped');
    await start();
    await db.client.query('update t set v = 3 where id = 10; delete from t where id = 9');
    await caughtUp();
    expect(await logged()).toEqual(await inPostgres());
    expect(stopped).toEqual([]);
  });
});
