import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { oldestPostgres } from '../../stack/versions.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

let server: RunningPostgres;
let db: TestDatabase;
beforeAll(async () => {
  server = await startPostgres({ oldest: true });
  db = await createDatabase(server.url);
});
afterAll(async () => {
  await db?.drop();
  await server?.stop();
});

test('the oldest Postgres is captured, read by token, and erased from as the newest is', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-oldest-'));
  const config = {
    sources: {
      shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` },
    },
    log: { kind: 'embedded', path: 'log.db' },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
    views: [
      {
        name: 't',
        from: 'shop.public.t',
        store: 'local',
        key: ['id'],
        columns: { id: 'int', v: 'text', big: 'text' },
      },
    ],
    subjects: { person: { source: 'shop', is: ['public.t.id'] } },
    http: false,
  };
  writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify(config));
  const run = async (...args: string[]) => {
    const { code, output } = await runCli([...args, '--json'], { cwd });
    return { code, answer: JSON.parse(output.trim() || 'null') };
  };
  // The large value is TOASTed, and not sent with an update of another column.
  await db.client.query(`create table t (id int primary key, v text, big text, twice int generated always as (id * 2) stored);
    alter table t alter big set storage external;
    insert into t select n, 'v' || n, repeat('x' || n, 4000) from generate_series(1, 4) n`);

  const doctor = await run('doctor');
  expect(doctor.code).toBe(0);
  expect(doctor.answer.findings).toContainEqual(
    expect.objectContaining({ message: `PostgreSQL ${oldestPostgres} answers.` }),
  );
  const about = doctor.answer.findings.filter((f: { severity?: string }) => f.severity === 'warning');
  expect(about).toMatchObject([{ check: 'source shop: column public.t.twice' }]);

  const up = startCli(['up'], { cwd });
  try {
    await eventually('it streams', async () => (await run('status')).answer.sources[0]?.active === true);
    await eventually('the snapshot is in the view', async () => (await run('get', 't', '4')).code === 0);
    await db.client.query(`update t set v = 'changed' where id = 1; update t set id = 20 where id = 2;
      delete from t where id = 3`);
    const token = (await run('token')).answer.token;
    const row = async (id: number) => (await run('get', 't', String(id), '--after', token)).answer;
    expect(await row(1)).toEqual({ id: 1, v: 'changed', big: 'x1'.repeat(4000) });
    expect(await row(20)).toEqual({ id: 20, v: 'v2', big: 'x2'.repeat(4000) });
    expect([await row(2), await row(3)]).toEqual([null, null]);

    const erased = await run('erase', 'person', '1', '--wait');
    expect(erased).toMatchObject({ code: 0, answer: [{ phase: 'completed' }] });
    expect(await row(1)).toBeNull();
    await db.client.query('truncate t');
    await eventually('the view is empty', async () => (await run('get', 't', '20')).code !== 0);
    expect(await up.end('SIGTERM')).toBe(0);
  } finally {
    up.child.kill('SIGKILL');
  }
});
