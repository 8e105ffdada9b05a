import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CaptureState } from '../../../../connectors/source/postgres/capture-state.ts';
import { topicsAtOnce } from '../../../../connectors/source/postgres/tables.ts';
import { openKafkaLog } from '../../../../log/kafka/kafka-log.ts';
import type { Log } from '../../../../log/log.ts';
import { capture, slotOf, tableOf } from '../../../support/capture.ts';
import { type RunningCli, startCli } from '../../../support/cli.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { servers, uniqueName } from '../../../support/servers.ts';

/** More than have their topics when the first is read. */
const tables = Array.from({ length: 2 * topicsAtOnce + 10 }, (_, i) => `t${i}`);
const { kafka, registry } = servers();

let db: TestDatabase;
let log: Log;
let source: string;
const topicOf = (table: string) => `${source}.public.${table}`;

beforeEach(async () => {
  db = await createDatabase();
  log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  source = uniqueName('many');
  for (const table of tables)
    await db.client.query(
      `create table ${table} (id int primary key, v int); insert into ${table} select g, g from generate_series(1, 20) g`,
    );
});
afterEach(async () => {
  await log.deleteTopics((await log.topics()).filter((topic) => topic.includes(source)));
  await log.close();
  await db.drop();
});

/** Resolves when the Log has each of the tables as the database has it. */
async function untilTheLogHas(wanted: readonly string[]): Promise<void> {
  for (const table of wanted) {
    const { rows } = await db.client.query(`select id, v from ${table} order by id`);
    const expected = rows.map((row) => ({ id: Number(row.id), v: Number(row.v) }));
    await eventually(
      `${table} is in the Log`,
      async () => {
        const found = [...(await tableOf(log, topicOf(table))).values()] as { id: number; v: number }[];
        return JSON.stringify(found.sort((a, b) => a.id - b.id)) === JSON.stringify(expected);
      },
      60,
    );
  }
}

const ask = async (method: string, path: string, body: object) => {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
  const response = await fetch(`${registry}${path}`, { method, headers, body: JSON.stringify(body) });
  expect(response.ok, await response.text()).toBe(true);
};

test('of many tables the one that the registry refuses is stopped, and all others are captured', async () => {
  const refused = tables[topicsAtOnce + 5]!;
  const subject = `${topicOf(refused)}-value`;
  const fields = [{ name: 'v', type: { type: 'array', items: 'string' } }];
  const former = { type: 'record', name: 'Value', namespace: topicOf(refused), fields };
  await ask('POST', `/subjects/${subject}/versions`, { schema: JSON.stringify(former) });
  await ask('PUT', `/config/${subject}`, { compatibility: 'FULL' });
  const stopped: string[] = [];
  const running = capture(log, {
    name: source,
    url: db.url,
    tables: tables.map((t) => `public.${t}`),
    partitions: 1,
    onTableStopped: (table) => stopped.push(table),
  });
  try {
    const others = tables.filter((table) => table !== refused);
    await untilTheLogHas(others);
    await db.client.query(`update ${refused} set v = 0; update ${others.at(-1)} set v = v + 1 where id < 5`);
    await untilTheLogHas(others.slice(-1));
    expect(stopped).toEqual([`public.${refused}`]);
    expect(await tableOf(log, topicOf(refused))).toEqual(new Map());
    const state = await CaptureState.read(log, source);
    expect(state.stopped).toMatchObject([{ table: `public.${refused}`, code: 'SCHEMA_INCOMPATIBLE' }]);
    expect(others.map((table) => state.get(`public.${table}`))).toEqual(others.map(() => 'done'));
  } finally {
    await running.stop();
  }
}, 120_000);

test('kill -9 while the topics of many tables are created and while they are read loses no row', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-many-'));
  const config = {
    sources: {
      [source]: {
        kind: 'postgres',
        url: db.url,
        tables: tables.map((t) => `public.${t}`),
        slot: slotOf(db.url),
        partitions: 1,
      },
    },
    log: { kind: 'kafka', brokers: [kafka], registry: { url: registry } },
    http: false,
  };
  // YAML is a superset of JSON.
  writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify(config));
  const topics = async () => (await log.topics()).filter((topic) => topic.startsWith(`${source}.`));
  const filled = async () =>
    new Set([...(await log.offsets(await topics()))].filter(([, o]) => o.end > 0).map(([key]) => key)).size;
  const moments: (() => Promise<boolean>)[] = [
    async () => (await topics()).length > 0,
    async () => (await topics()).length > topicsAtOnce,
    async () => (await filled()) > 0,
    async () => (await filled()) > topicsAtOnce,
  ];
  let running: RunningCli | null = null;
  try {
    for (const [n, reached] of moments.entries()) {
      running = startCli(['source', 'run'], { cwd });
      await eventually(`moment ${n}; ${running.output().slice(-300)}`, reached, 60);
      await running.end('SIGKILL');
      for (const table of tables)
        await db.client.query(
          `delete from ${table} where id = ${1 + n}; update ${table} set v = ${100 + n} where id = ${10 + n};
           insert into ${table} values (${50 + n}, ${n})`,
        );
    }
    running = startCli(['source', 'run'], { cwd });
    await untilTheLogHas(tables);
    expect(await running.end('SIGTERM'), running.output()).toBe(0);
    const state = await CaptureState.read(log, source);
    expect(tables.map((table) => state.get(`public.${table}`))).toEqual(tables.map(() => 'done'));
  } finally {
    await running?.end('SIGKILL');
    rmSync(cwd, { recursive: true });
  }
}, 180_000);
