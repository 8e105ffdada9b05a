import { afterEach, beforeEach, expect, test } from 'vitest';
import { barriersTopic, decodeBarrier } from '../../connectors/source/barriers.ts';
import type { Row } from '../../core/value.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import type { EmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { eraserOf, subject } from '../connectors/source/postgres/shop.ts';
import { decodeAvro } from '../support/avro-decode.ts';
import { type Capture, capture, recordsOf, temporaryLog } from '../support/capture.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture;

beforeEach(async () => {
  db = await createDatabase();
  log = await temporaryLog();
});
afterEach(async () => {
  await running.stop().catch(() => {});
  await log.close();
  await db.drop();
});

/** Types of keys, each with a value whose text is not written in one way only. */
const keys: Record<string, string> = {
  int2: '-7',
  int8: '9223372036854775807',
  numeric: '1.500',
  float4: '0.1',
  float8: '1e+20',
  bool: 't',
  uuid: 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  text: `it's "é" \\ {}`,
  'char(6)': 'ab',
  date: 'infinity',
  timestamptz: '2020-02-03 04:05:06.789012+07',
  interval: '1 day 25 hours',
  bytea: '\\x00ff',
  mood: 'so so',
  positive: '5',
  inet: '10.0.0.1/8',
};

test('the keys that erasing tells are those of the tombstones in the Log, whatever their type, before the barrier', async () => {
  const tables = Object.keys(keys).map((_, i) => `public.t${i}`);
  await db.client.query(`create type mood as enum ('so so'); create domain positive as int8 check (value > 0);
    create table people (id int primary key); insert into people values (1)`);
  for (const [i, [type, value]] of Object.entries(keys).entries()) {
    await db.client.query(
      `create table t${i} (k ${type}, n int, person int references people, primary key (k, n))`,
    );
    await db.client.query(`insert into t${i} values ($1, 1, 1)`, [value]);
  }
  running = capture(log, { url: db.url, tables: ['public.people', ...tables] });
  await eventually(
    'the snapshot is read',
    async () => (await recordsOf(log, 'shop.public.t15').catch(() => [])).length > 0,
  );
  const eraser = eraserOf(db, { publication: 'insideout_shop' });
  const of = subject(['public.people.id', ...tables.map((t) => `${t}.person`)]);
  const { rows, barrier } = await eraser.erase(of, '1', { id: 'e1' });
  await eraser.close();
  const passed = await eventually('the barrier is passed', async () =>
    (await recordsOf(log, barriersTopic('shop')).catch(() => []))
      .map(decodeBarrier)
      .find((b) => b.id === barrier),
  );
  expect(passed.content).toEqual({ id: barrier, erasure: 'e1' });

  const hasher = new KeyHasher(Buffer.from('secret'));
  expect(rows).toHaveLength(tables.length + 1);
  for (const { topic, keyColumns, keys } of rows) {
    const tombstones = (await recordsOf(log, topic)).filter((r) => r.value === null);
    const inLog: string[] = [];
    for (const { key, partition, offset } of tombstones) {
      inLog.push(hasher.key(topic, (await decodeAvro(log.schemas, key!)) as Row));
      expect(passed.ends.get(`${topic}/${partition}`)).toBeGreaterThan(offset);
    }
    const told = keys.map((key) =>
      hasher.key(topic, Object.fromEntries(keyColumns.map((c, i) => [c, key[i]!]))),
    );
    expect([topic, told]).toEqual([topic, inLog]);
  }
});
