import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueName } from '../support/servers.ts';
import { runInProcess as run } from './in-process.ts';

const home = process.cwd();
let folder: string;
let slot: string;
let db: TestDatabase;
let other: TestDatabase;

beforeEach(async () => {
  [db, other] = [await createDatabase(), await createDatabase()];
  await db.client.query('create table t (id int primary key); insert into t values (1)');
  slot = uniqueName('foreign');
  folder = mkdtempSync(join(tmpdir(), 'insideout-foreign-'));
  const sources = { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } };
  writeFileSync(
    join(folder, 'insideout.config.yaml'),
    JSON.stringify({ sources, log: { kind: 'embedded', path: 'log.db' }, http: false }),
  );
  process.chdir(folder);
});
afterEach(async () => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
  await db.client.query('select pg_drop_replication_slot($1)', [slot]);
  await db.drop();
  await other.drop();
});

const made = async () =>
  (
    await db.client.query(
      `select slot_name as name from pg_replication_slots where slot_name = $1
       union all select pubname from pg_publication`,
      [slot],
    )
  ).rows;

test.each([
  [
    'of another database',
    () => other.client.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]),
    () => `belongs to the database "${other.name}"`,
  ],
  [
    'of a standby',
    () => db.client.query('select pg_create_physical_replication_slot($1)', [slot]),
    () => 'is a physical one, as standbys and backups use',
  ],
  [
    'with another plugin',
    () => db.client.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [slot]),
    () => 'has the plugin test_decoding, which another program reads',
  ],
])('a slot %s is refused by all commands, with the mend, and is left alone', async (_what, create, whose) => {
  await create();
  const message = `The slot "${slot}" ${whose()}, so it is not this source's.`;
  const hint = `Set another \`slot\` for the source in the config; or, when really nobody needs this one, run: SELECT pg_drop_replication_slot('${slot}');`;
  const error = { code: 'SOURCE_SLOT_FOREIGN', message, hint };

  for (const command of [
    ['source', 'run', '--json'],
    ['source', 'run', '--resnapshot', '--json'],
    ['slot', 'drop', '--yes', '--json'],
  ]) {
    const refused = await run(command, { LOG_LEVEL: 'silent' });
    expect({ code: refused.code, error: JSON.parse(refused.out).error }, command.join(' ')).toEqual({
      code: 3,
      error,
    });
    expect(await made()).toEqual([{ name: slot }]);
  }
  const doctor = await run(['doctor', '--json']);
  expect(doctor.code).toBe(3);
  expect(JSON.parse(doctor.out).findings.filter((f: { ok: boolean }) => !f.ok)).toEqual([
    { check: 'source shop: slot', ok: false, severity: 'error', message, mend: hint },
  ]);
  const status = await run(['status']);
  expect(status.code).toBe(3);
  expect(status.out).toContain(message);
  expect(status.out).toContain(`mend: ${hint}`);
  const [source] = JSON.parse((await run(['status', '--json'])).out).sources;
  expect(source).toMatchObject({ name: 'shop', exists: false, error: message, code: error.code, mend: hint });
});

test('a slot that another Log reads is refused before anything is made, and taken over only when told so', async () => {
  const project = (name: string) => {
    const cwd = join(folder, name);
    mkdirSync(cwd);
    const sources = { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } };
    const log = { kind: 'embedded', path: 'log.db' };
    writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify({ sources, log, http: false }));
    return cwd;
  };
  const [first, second] = [project('first'), project('second')];
  const read = async (cwd: string, ...more: string[]) => {
    const source = startCli(['source', 'run', ...more], { cwd });
    await eventually('the table is read', () => source.output().includes('snapshot of a table is read'));
    await eventually('it streams', async () => (await slots())[0]?.active === 't');
    expect(await source.end('SIGTERM')).toBe(0);
  };
  const slots = async () =>
    (await db.client.query('select active from pg_replication_slots where slot_name = $1', [slot])).rows;
  await read(first);

  const message = `The slot "${slot}" exists, and this Log has never read from it.`;
  const refused = await runCli(['source', 'run'], { cwd: second });
  expect(refused.code).toBe(3);
  expect(refused.output).toContain(message);
  expect(readdirSync(second)).toEqual(['insideout.config.yaml']);
  for (const command of ['doctor', 'status']) {
    const looked = await runCli([command], { cwd: second });
    expect(looked).toMatchObject({ code: 3, output: expect.stringContaining(message) });
  }
  // The first goes on as if nothing had been.
  const again = startCli(['source', 'run'], { cwd: first });
  await eventually('it streams', async () => (await slots())[0]?.active === 't');
  expect(await again.end('SIGTERM')).toBe(0);

  await read(second, '--resnapshot');
  // Now the slot is the second's, and the first knows that it may have missed something.
  await db.client.query('insert into t values (2)');
  const moved = startCli(['source', 'run'], { cwd: second });
  await eventually('the slot moves', async () => (await runCli(['status'], { cwd: first })).code === 3);
  expect(await moved.end('SIGTERM')).toBe(0);
  expect((await runCli(['status'], { cwd: first })).output).toContain(
    'SOURCE shop  The Log holds the changes',
  );
});
