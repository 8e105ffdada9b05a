import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
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
