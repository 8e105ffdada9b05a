import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { type RunningRedis, startRedis } from '../../stack/redis.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { viewRows } from '../support/view-rows.ts';

const secret = 'correct-horse-battery';
let server: RunningPostgres;
let client: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ password: secret, walLevel: 'replica' });
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('create table t (id int primary key)');
});
afterAll(async () => {
  await client?.end();
  await server?.stop();
});

/** A folder with this config and an embedded Log. YAML is a superset of JSON. */
function project(config: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-refusal-'));
  const whole = { log: { kind: 'embedded', path: 'log.db' }, http: false, ...config };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(whole));
  return folder;
}

/** Runs `source run` on the url; resolves with the exit code and all that was printed. */
const run = (url: string, source: object = { tables: ['public.t'] }) =>
  runCli(['source', 'run'], {
    cwd: project({ sources: { shop: { kind: 'postgres', url, ...source } } }),
  });

const shape = { name: 't', key: ['id'], columns: { id: 'bigint', v: 'text' } } as const;

function expectOneSentence({ output }: { output: string }, message: RegExp, mend: RegExp): void {
  const plain = output.split('\n').filter((line) => !line.startsWith('{') && line !== '');
  expect(plain).toEqual([expect.stringMatching(message), expect.stringMatching(mend)]);
  expectNoStack(output);
  expect(output).not.toContain(secret);
}

/** Neither as text nor inside a JSON line. */
const expectNoStack = (output: string) => expect(output).not.toMatch(/(\n|\\n)\s+at /);

test('a wrong password is for an operator: exit code 3, one sentence, the mend, and no secret', async () => {
  const result = await run(server.url.replace(secret, `${secret}-wrong`));
  expect(result.code).toBe(3);
  expectOneSentence(
    result,
    /^error: .*refused the user "postgres" or its password/,
    /^mend: Correct the user and password/,
  );
});

test('wal_level=replica is for an operator, with the statement that mends it, and leaves nothing behind', async () => {
  const result = await run(server.url);
  expect(result.code).toBe(3);
  expectOneSentence(
    result,
    /^error: wal_level is "replica"/,
    /^mend: .*ALTER SYSTEM SET wal_level = 'logical'/,
  );
  const { rows } = await client.query(
    'select (select count(*) from pg_publication)::int as publications, (select count(*) from pg_replication_slots)::int as slots',
  );
  expect(rows).toEqual([{ publications: 0, slots: 0 }]);
});

test('a first start that is refused makes no files', async () => {
  const cwd = project({
    sources: { shop: { kind: 'postgres', url: server.url, tables: ['public.t'] } },
    log: { kind: 'embedded', path: 'data/log.db' },
    stores: { local: { kind: 'sqlite', path: 'views/all.db' } },
    views: [{ ...shape, from: 'shop.public.t', store: 'local' }],
  });
  const up = await runCli(['up'], { cwd });
  expect(up.code).toBe(3);
  expectOneSentence(up, /^error: wal_level is "replica"/, /^mend: /);
  expect(readdirSync(cwd, { recursive: true })).toEqual(['insideout.config.yaml']);
});

test('a config with several mistakes lists them all and exits with 2', async () => {
  const result = await run(server.url, { tabels: ['public.t'], partitions: 0 });
  expect(result.code).toBe(2);
  expect(result.output).toContain('sources.shop.tabels');
  expect(result.output).toContain('sources.shop.partitions');
  expect(result.output).not.toContain(secret);
});

test('a missing publication is for an operator, with the statement that mends it, and nothing half-made stays', async () => {
  const db = await createDatabase();
  try {
    await db.client.query('create table t (id int primary key)');
    const slot = `slot_${db.name}`;
    const result = await run(db.url, { publication: 'absent', slot });
    expect(result.code).toBe(3);
    expectOneSentence(
      result,
      /^error: The publication "absent" does not exist\.$/,
      /^mend: Run: CREATE PUBLICATION "absent" FOR TABLE/,
    );
    const left = () =>
      db.client.query(
        `select slot_name from pg_replication_slots where database = current_database()
         union all select pubname from pg_publication`,
      );
    expect((await left()).rows).toEqual([]);

    // The mend, followed to the letter, mends it.
    await db.client.query('CREATE PUBLICATION "absent" FOR TABLE t');
    const folder = project({
      sources: { shop: { kind: 'postgres', url: db.url, publication: 'absent', slot } },
    });
    const source = startCli(['source', 'run'], { cwd: folder });
    await eventually('it captures', () => source.output().includes('snapshot of a table is read'));
    expect(await source.end('SIGTERM')).toBe(0);
  } finally {
    await db.drop();
  }
});

test('a source that was refused is not called fine by status afterwards, nor is a view that was built before', async () => {
  const db = await createDatabase();
  try {
    await db.client.query('create table t (v text)');
    const cwd = project({
      sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
      stores: { local: { kind: 'sqlite', path: 'views.db' } },
      views: [{ ...shape, from: 'shop.public.t', store: 'local' }],
    });
    const view = startCli(['view', 'run'], { cwd });
    await eventually('there is a generation', () => view.output().includes('"following"'));
    expect(await view.end('SIGTERM')).toBe(0);
    const up = await runCli(['up'], { cwd });
    expect(up.code).toBe(3);
    const [error, mend] = up.output.split('\n').slice(-3);
    expect(error).toMatch(/^error: Table public\.t has no primary key/);
    const status = await runCli(['status'], { cwd });
    expect(status.code).toBe(3);
    expect(status.output).toContain(`SOURCE shop  ${error!.slice('error: '.length)}\n  ${mend}\n`);
    expect(status.output).toMatch(/^t +local .+ its topic is not in the Log yet$/m);
  } finally {
    await db.drop();
  }
});

describe('a SQLite store that cannot be opened', () => {
  const unopenable: [string, string, (path: string) => void][] = [
    ['lies below a file', 'insideout.config.yaml/views.db', () => {}],
    ['is a folder', 'folder', (path) => mkdirSync(path)],
    // No account may create folders there, so this holds for root as well.
    ['lies in a folder that cannot be made', '/proc/no/such/folder/views.db', () => {}],
    ['is no SQLite file', 'notes', (path) => writeFileSync(path, 'n'.repeat(5000))],
  ];

  test.each(unopenable)(
    'when its path %s, is refused with one sentence and the mend',
    async (_name, path, prepare) => {
      const folder = project({
        stores: { broken: { kind: 'sqlite', path } },
        views: [{ ...shape, from: 'shop.public.t', store: 'broken' }],
      });
      prepare(join(folder, path));
      const result = await runCli(['view', 'run'], { cwd: folder });
      expect(result.code).toBe(3);
      expectOneSentence(
        result,
        /^error: The SQLite file .+ cannot be written \([A-Z_]+\)\.$/,
        /^mend: Check that the folder exists, is writable/,
      );
    },
  );

  test.each(unopenable.filter(([, path]) => !path.startsWith('/proc')))(
    'is found by doctor when its path %s',
    async (_name, path, prepare) => {
      const folder = project({ stores: { broken: { kind: 'sqlite', path } } });
      prepare(join(folder, path));
      const doctor = await runCli(['doctor'], { cwd: folder });
      expect(doctor.code).toBe(3);
      expect(doctor.output).toMatch(/^fail {2}store broken: The (SQLite )?file .+\n +mend: .+/m);
      expectNoStack(doctor.output);
    },
  );

  test('stops no other view, and not the source', async () => {
    const db = await createDatabase();
    const view = (store: string) => ({ ...shape, name: `t_${store}`, from: 'shop.public.t', store });
    const folder = project({
      sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
      stores: {
        broken: { kind: 'sqlite', path: 'insideout.config.yaml/views.db' },
        whole: { kind: 'sqlite', path: 'views.db' },
      },
      views: [view('broken'), view('whole')],
    });
    await db.client.query("create table t (id bigint primary key, v text); insert into t values (1, 'a')");
    const up = startCli(['up', '--http-port', '0'], { cwd: folder });
    const store = await openSqliteStore({ path: join(folder, 'views.db') });
    const rows = () => viewRows(store, { ...shape, name: 't_whole' });
    try {
      await eventually('the view is refused', () => up.output().includes('STORE_REFUSED'));
      await db.client.query("insert into t values (2, 'b')");
      await eventually('the other view goes on', async () => (await rows())?.length === 2);
      const url = /"address":"([^"]+)"/.exec(up.output())?.[1];
      const ready = await fetch(`${url}/readyz`);
      expect(ready.status).toBe(503);
      expect(((await ready.json()) as { waitingFor: { unit: string }[] }).waitingFor).toMatchObject([
        { kind: 'view', unit: 't_broken' },
      ]);
      expect(await up.end('SIGTERM')).toBe(3);
      expectOneSentence({ output: up.output() }, /^error: The SQLite file /, /^mend: Check that the folder/);
    } finally {
      up.child.kill('SIGKILL');
      await store.close();
      await db.drop();
    }
  });
});

describe('a Redis that asks for a password', () => {
  const prefix = 'refusals:';
  const commands = [
    ['view', 'run'],
    ['get', 't', '1'],
  ];
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis({ password: secret });
  });
  afterAll(async () => {
    await redis?.stop();
  });
  const projectOf = (url: string) =>
    project({
      stores: { remote: { kind: 'redis', url, prefix } },
      views: [{ ...shape, from: 'shop.public.t', store: 'remote' }],
    });

  test.each([
    ['no password', 'NOAUTH', (url: string) => url.replace(`:${secret}@`, '')],
    ['another password', 'WRONGPASS', (url: string) => url.replace(secret, `${secret}-wrong`)],
    ['an account that it does not have', 'WRONGPASS', (url: string) => url.replace('//:', '//nobody:')],
  ])('is for an operator when it is given %s (%s)', async (_what, code, change) => {
    const cwd = projectOf(change(redis.url));
    for (const command of commands) {
      const result = await runCli(command, { cwd });
      expect(result.code).toBe(3);
      expectOneSentence(
        result,
        new RegExp(
          `^error: Redis at 127\\.0\\.0\\.1:\\d+ refused the user or the password \\(${code}\\)\\.$`,
        ),
        /^mend: Correct the user and the password in the store's url\.$/,
      );
    }
    const status = await runCli(['status', '--json'], { cwd });
    const doctor = await runCli(['doctor'], { cwd });
    expect([status.code, doctor.code]).toEqual([1, 3]);
    for (const { output } of [status, doctor]) {
      expect(output).toContain(`refused the user or the password (${code})`);
      expect(output).not.toContain(secret);
      expectNoStack(output);
    }
  });

  test('answers when it gets the right one, and is still not shown', async () => {
    const cwd = project({ stores: { remote: { kind: 'redis', url: redis.url, prefix } } });
    const doctor = await runCli(['doctor'], { cwd, env: { LOG_LEVEL: 'debug' } });
    expect(doctor.code).toBe(0);
    expect(doctor.output).toMatch(/^ok {4}store remote: /m);
    expect(doctor.output).not.toContain(secret);
  });
});

describe('a Redis account that may only read', () => {
  let redis: RunningRedis;
  let url: string;
  let admin: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    admin = new Redis(redis.url);
    await admin.call('acl', 'setuser', 'looker', 'on', `>${secret}`, '~*', '+@read', '+@connection', '+info');
    url = redis.url.replace('//', `//looker:${secret}@`);
  });
  afterAll(async () => {
    admin?.disconnect();
    await redis?.stop();
  });

  test('stops its view with exit code 3 and the mend, and once that was followed the view is built', async () => {
    const prefix = 'reader:';
    const folder = project({
      stores: { remote: { kind: 'redis', url, prefix } },
      views: [{ ...shape, from: 'shop.public.t', store: 'remote' }],
    });
    const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
    await log.ensureTopics([{ name: 'shop.public.t', partitions: 1, cleanup: 'compact' }]);
    await log.close();
    const result = await runCli(['view', 'run'], { cwd: folder });
    expect(result.code).toBe(3);
    expectOneSentence(
      result,
      /^error: Redis at 127\.0\.0\.1:\d+ refused a command \(NOPERM\)\.$/,
      /^mend: Give the account all commands on the keys of the views\.$/,
    );
    const generations = await runCli(['generations', '--json'], { cwd: folder });
    expect(JSON.parse(generations.output)).toEqual([]);

    await admin.call('acl', 'setuser', 'looker', '+@all');
    const mended = startCli(['view', 'run'], { cwd: folder });
    const store = await openRedisStore({ url: redis.url, prefix });
    try {
      await eventually('readers see it', async () => (await store.active('t')) !== null);
      expect(await mended.end('SIGTERM')).toBe(0);
    } finally {
      mended.child.kill('SIGKILL');
      await store.close();
    }
  });
});
