import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const source = uniqueName('shop').slice(0, 40);
const table = uniqueName('customers');
const folder = mkdtempSync(join(tmpdir(), 'insideout-capture-'));
const client = new pg.Client(servers().postgres);

function start(args: readonly string[]) {
  const child = spawn(process.execPath, ['--import', tsx, main, ...args], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: servers().postgres },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    err += bytes;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  );
  return { child, ended, err: () => err };
}
const run = (...args: string[]) => start(args).ended;

beforeAll(async () => {
  await client.connect();
  await client.query(`create table ${table} (id bigint primary key, name text)`);
  await client.query(`insert into ${table} values (1, 'Ada')`);
  writeFileSync(
    join(folder, 'insideout.config.yaml'),
    `
sources: { ${source}: { kind: postgres, url: "\${DATABASE_URL}", tables: [public.${table}] } }
log: { kind: embedded, path: log.db }
stores: { local: { kind: sqlite, path: views.db } }
views:
  - { name: card, from: ${source}.public.${table}, store: local, key: [id], columns: { id: bigint, name: text } }
`,
  );
});

afterAll(async () => {
  await run('slot', 'drop', '--yes');
  await client.query(`drop publication if exists insideout_${source}`);
  await client.query(`drop table ${table}`);
  await client.end();
  rmSync(folder, { recursive: true });
});

test('up captures a table until it is stopped, and its slot is dropped only afterwards', async () => {
  expect(await run('doctor')).toMatchObject({ code: 0 });
  const up = start(['up', '--http-port', '0']);
  const url = await eventually('the probes are served', () => /"address":"([^"]+)"/.exec(up.err())?.[1]);
  await eventually('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
  const get = (id: string) =>
    eventually(`row ${id} is in the view`, async () => {
      const { code, out } = await run('get', 'card', id, '--json');
      return code === 0 && (JSON.parse(out) as unknown);
    });
  expect(await get('1')).toEqual({ id: '1', name: 'Ada' });
  await client.query(`insert into ${table} values (2, 'Grace')`);
  expect(await get('2')).toEqual({ id: '2', name: 'Grace' });

  const status = JSON.parse((await run('status', '--json')).out);
  expect(status).toMatchObject({
    sources: [{ name: source, exists: true, active: true, error: null }],
    views: [{ name: 'card', generation: 1, lag: 0, deadLetters: 0 }],
  });

  const refused = await run('slot', 'drop', '--yes');
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/^error: A process reads from the slot .+\nmend: Stop that process/);

  up.child.kill('SIGTERM');
  expect(await up.ended).toMatchObject({ code: 0 });
  const unasked = await run('slot', 'drop');
  expect(unasked).toMatchObject({ code: 2 });
  expect(JSON.parse((await run('slot', 'drop', '--yes', '--json')).out)).toMatchObject({ dropped: true });

  for (const command of ['status', 'doctor']) {
    const looked = await run(command);
    expect(looked.code).toBe(3);
    expect(looked.out).toMatch(/The slot .+ is gone.+\n +mend: Run `insideout source run --resnapshot`/);
  }
  const lost = await run('up', '--http-port', 'off');
  expect(lost.code).toBe(3);
  expect(lost.err).toMatch(/\nerror: The slot .+ is gone.+\nmend: Run `insideout source run --resnapshot`/);
}, 120_000);
