import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { runCli } from '../../support/cli.ts';
import { eventually } from '../../support/eventually.ts';

let server: RunningRedis;
let admin: Redis;
beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
  for (const [name, ...rules] of [
    ['reader', '~*', '+@read', '+@connection', '+info'],
    ['unscripted', '~*', '+@all', '-@scripting'],
    ['stranger', '~somewhere:*', '+@all'],
    ['blind', '~*', '+@all', '-info'],
    ['least', '~views:*', '+@read', '+@write', '+@scripting', '+@connection', '+info', '+time'],
  ])
    await admin.call('ACL', ['SETUSER', String(name), 'on', '>p', ...rules]);
});
afterAll(async () => {
  admin?.disconnect();
  await server?.stop();
});

const urlOf = (account: string) => server.url.replace('//', `//${account}:p@`);

/** A folder with the store. YAML is a superset of JSON. */
function project(url: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-redis-refusal-'));
  const config = {
    log: { kind: 'embedded', path: 'log.db' },
    stores: { remote: { kind: 'redis', url, prefix: 'views:' } },
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  return folder;
}

test.each([
  ['may only read', 'reader'],
  ['may run no scripts', 'unscripted'],
  ['may write elsewhere only', 'stranger'],
  ['may not ask for the settings of the memory', 'blind'],
])('doctor finds an account that %s, and prints nothing else', async (_what, account) => {
  const doctor = await runCli(['doctor'], { cwd: project(urlOf(account)) });
  expect(doctor.code).toBe(3);
  expect(doctor.output.trim().split('\n')).toEqual([
    expect.stringMatching(/^ok {4}log: /),
    expect.stringMatching(/^fail {2}store remote: Redis at \S+ refused a command \([A-Z]+\)\.$/),
    expect.stringMatching(/^ +mend: .*the account/i),
  ]);
  await eventually('nothing is left', async () => (await admin.dbsize()) === 0);
});

test('a password that the server does not ask for is no matter, and prints no line', async () => {
  const doctor = await runCli(['doctor'], { cwd: project(server.url.replace('//', '//:p@')) });
  expect(doctor.output.trim().split('\n')).toEqual([
    expect.stringMatching(/^ok {4}log: /),
    expect.stringMatching(/^ok {4}store remote: /),
  ]);
  expect(doctor.code).toBe(0);
});

test('a check passes with what views need and no more, and leaves nothing', async () => {
  const store = await openRedisStore({ url: urlOf('least'), prefix: 'views:' });
  await store.check();
  expect(await admin.keys('*')).toEqual([]);
  const generation = await store.open({ name: 't', columns: { id: 'bigint' }, key: ['id'] }, 1);
  const change = { op: 'upsert', offset: 0, key: [1n], row: { id: 1n } } as const;
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, { topic: 't', partition: 0, from: 0, next: 1, changes: [change] });
  expect(await generation.count()).toBe(1);
  await store.drop('t', 1);
  await store.close();
});

test('a check tells of a server without room, of one that evicts, and of a replica', async () => {
  const store = await openRedisStore({ url: server.url });
  const refused = (part: string) =>
    expect(store.check()).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining(part),
    });
  await admin.config('SET', 'maxmemory', '1');
  await refused('(OOM)');
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await refused('allkeys-lru');
  await admin.config('SET', 'maxmemory-policy', 'noeviction');
  await admin.config('SET', 'maxmemory', '0');
  await admin.replicaof('127.0.0.1', 1);
  await refused('(READONLY)');
  await admin.replicaof('NO', 'ONE');
  await store.check();
  await store.close();
});

test('a database that the server does not have is refused, and nothing goes to another one', async () => {
  const view = { name: 't', columns: { id: 'bigint' }, key: ['id'] } as const;
  const wrong = await openRedisStore({ url: `${server.url}/99` });
  const refused = { code: 'STORE_REFUSED', message: expect.stringContaining('has no database 99') };
  await expect(wrong.check()).rejects.toMatchObject(refused);
  await expect(wrong.open(view, 1)).rejects.toMatchObject(refused);
  expect(await admin.keys('*')).toEqual([]);
  await wrong.close();

  const store = await openRedisStore({ url: `${server.url}/3` });
  await store.open(view, 1);
  await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const again = () => store.generations('t').catch(() => null);
  expect(await eventually('it is connected again', again)).toEqual([1]);
  expect(await admin.keys('*')).toEqual([]);
  await admin.select(3);
  expect(await admin.keys('*')).toEqual(['insideout:generations:t']);
  await admin.select(0);
  await store.close();
});
