import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import cassandra from 'cassandra-driver';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { topicsAtOnce } from '../../connectors/source/postgres/tables.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import type { Log } from '../../log/log.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { runCli } from '../support/cli.ts';
import { servers, uniqueName } from '../support/servers.ts';

const { kafka, registry, redis, cassandra: nodes } = servers();
let server: RunningPostgres;
let client: pg.Client;
let log: Log;
let keys: Redis;
let tables: cassandra.Client;

beforeAll(async () => {
  server = await startPostgres({ settings: { max_replication_slots: '1' } });
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('create table t (id bigint primary key)');
  log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  keys = new Redis(redis);
  tables = new cassandra.Client({
    contactPoints: [nodes.contactPoint],
    localDataCenter: nodes.dataCenter,
  });
  await tables.connect();
});
afterAll(async () => {
  await tables?.shutdown();
  keys?.disconnect();
  await log?.close();
  await client?.end();
  await server?.stop();
});

interface Change {
  readonly url?: string;
  readonly registry?: string;
  readonly tables?: readonly string[];
  readonly redis?: string;
  readonly views?: readonly string[];
  readonly log?: { readonly kind: 'embedded'; readonly path: string } | undefined;
}

/** A source in Kafka with a view in Redis and one in Cassandra, by a name that nothing else has. */
function projectOf(change: Change = {}) {
  const name = uniqueName('first');
  const view = { from: `${name}.public.t`, key: ['id'], columns: { id: 'bigint' } };
  const config = {
    namespace: name,
    sources: {
      [name]: {
        kind: 'postgres',
        url: change.url ?? server.url,
        tables: change.tables ?? ['public.t'],
        slot: name,
        publication: name,
        partitions: 1,
      },
    },
    log: change.log ?? { kind: 'kafka', brokers: [kafka], registry: { url: change.registry ?? registry } },
    stores: {
      keys: { kind: 'redis', url: change.redis ?? redis, prefix: `${name}:` },
      tables: {
        kind: 'cassandra',
        contactPoints: [nodes.contactPoint],
        dataCenter: nodes.dataCenter,
        keyspace: name,
      },
    },
    views: [
      { name: 'in_keys', store: 'keys', ...view },
      { name: 'in_tables', store: 'tables', ...view },
    ].filter(({ name }) => change.views?.includes(name) ?? true),
    http: false,
  };
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-first-'));
  // YAML is a superset of JSON.
  writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify(config));
  return { name, cwd };
}

/** All that there is of a project outside its config. */
async function madeOf({ name, cwd }: { name: string; cwd: string }): Promise<string[]> {
  const subjects = (await (await fetch(`${registry}/subjects`)).json()) as string[];
  const ofPostgres = await client.query(
    'select slot_name as name from pg_replication_slots where slot_name = $1 union all select pubname from pg_publication',
    [name],
  );
  const keyspaces = await tables.execute('select keyspace_name from system_schema.keyspaces');
  return [
    ...(await log.topics()).filter((topic) => topic.includes(name)),
    ...subjects.filter((subject) => subject.includes(name)),
    ...ofPostgres.rows.map((row) => row.name),
    ...(await keys.keys(`${name}:*`)),
    ...keyspaces.rows.map((row) => row.keyspace_name).filter((keyspace) => keyspace === name),
    ...readdirSync(cwd, { recursive: true }).map(String),
  ];
}

async function expectRefused(
  project: ReturnType<typeof projectOf>,
  wanted: { error: RegExp; mend: RegExp },
): Promise<void> {
  // The second makes nothing beside the source, which asks by itself.
  for (const command of ['up', 'source run']) {
    const { code, output } = await runCli(command.split(' '), { cwd: project.cwd });
    const plain = output.split('\n').filter((line) => !line.startsWith('{') && line !== '');
    expect(plain).toEqual([expect.stringMatching(wanted.error), expect.stringMatching(wanted.mend)]);
    expect(code).toBe(3);
    expect(await madeOf(project)).toEqual(['insideout.config.yaml']);
  }
}

test('a first start that the database refuses makes nothing, in Kafka, in Redis and in Cassandra', async () => {
  const url = new URL(server.url);
  url.pathname = '/nowhere';
  await expectRefused(projectOf({ url: url.href }), {
    error: /^error: Postgres at \S+ has no such database\.$/,
    mend: /^mend: Correct the database name/,
  });
});

test('a first start without a free slot makes nothing', async () => {
  await client.query("select pg_create_physical_replication_slot('standby')");
  try {
    await expectRefused(projectOf(), {
      error: /^error: Postgres at \S+ has no free replication slot/,
      mend: /^mend: Raise max_replication_slots/,
    });
  } finally {
    await client.query("select pg_drop_replication_slot('standby')");
  }
});

test('a first start that no registry answers makes nothing', async () => {
  await expectRefused(projectOf({ registry: new URL('/nope', registry).href }), {
    error: /^error: What answers at \S+ is no Confluent-compatible schema registry\.$/,
    mend: /^mend: Correct `registry\.url`/,
  });
});

test('a first start makes nothing when Kafka refuses the topic of the last of many tables, and doctor tells so', async () => {
  const many = Array.from({ length: topicsAtOnce + 5 }, (_, i) => `m${i}`);
  for (const table of many) await client.query(`create table ${table} (id int primary key)`);
  // In topic names the letter takes more room than in Postgres.
  const table = 'ä'.repeat(31);
  await client.query(`create schema ${table}; create table ${table}.${table} (id int primary key)`);
  const project = projectOf({ tables: ['t', ...many].map((t) => `public.${t}`).concat(`${table}.${table}`) });
  const refused = {
    error: /Kafka refuses to create the topic "first_\S+_xe4_" \(INVALID_TOPIC_EXCEPTION\)\.$/m,
    mend: /mend: Choose another name for the source or the table/,
  };
  await expectRefused(project, refused);
  const doctor = await runCli(['doctor'], { cwd: project.cwd });
  expect(doctor.output).toMatch(refused.error);
  expect(doctor.output).toMatch(refused.mend);
  expect(doctor.code).toBe(3);
});

test('a first start of views alone makes nothing where no store takes them, in Kafka or in a file', async () => {
  const user = uniqueName('reader');
  await keys.call('ACL', ['SETUSER', user, 'on', '>p', '~*', '+@read', '+@connection', '+info']);
  onTestFinished(async () => {
    await keys.call('ACL', ['DELUSER', user]);
  });
  const readOnly = new URL(redis);
  readOnly.username = user;
  readOnly.password = 'p';
  for (const log of [undefined, { kind: 'embedded', path: 'log.db' }] as const) {
    const project = projectOf({ redis: readOnly.href, views: ['in_keys'], log });
    const { code, output } = await runCli(['view', 'run'], { cwd: project.cwd });
    expect(output).toMatch(/^error: Redis at \S+ refused a command \(NOPERM\)\.$/m);
    expect(code).toBe(3);
    expect(await madeOf(project)).toEqual(['insideout.config.yaml']);
  }
});
