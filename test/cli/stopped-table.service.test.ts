import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { runInProcess } from './in-process.ts';

test('a stopped table is told by status, doctor, readyz and the metrics, with its mend, until it is read again', async () => {
  const db = await createDatabase();
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-stopped-'));
  const home = process.cwd();
  process.chdir(cwd);
  let up: RunningCli | null = null;
  onTestFinished(async () => {
    process.chdir(home);
    await up?.end('SIGKILL');
    await db.drop();
    rmSync(cwd, { recursive: true });
  });
  const tables = ['public.bad', 'public.good', 'public.gone'];
  const view = (name: string) => ({
    name,
    from: `shop.public.${name}`,
    store: 'local',
    key: ['id'],
    columns: { id: 'bigint' },
  });
  const write = (captured: readonly string[]) =>
    writeFileSync(
      join(cwd, 'insideout.config.yaml'),
      JSON.stringify({
        sources: { shop: { kind: 'postgres', url: db.url, tables: captured, slot: `slot_${db.name}` } },
        log: { kind: 'embedded', path: 'log.db' },
        stores: { local: { kind: 'sqlite', path: 'views.db' } },
        views: [view('bad'), view('good')],
      }),
    );
  write(tables);
  for (const table of tables)
    await db.client.query(
      `create table ${table} (id int primary key, v int); insert into ${table} values (1, 1)`,
    );
  const start = async () => {
    const daemon = startCli(['up', '--http-port', '0'], { cwd });
    up = daemon;
    const url = await eventually(
      'the probes are served',
      () => /"address":"([^"]+)"/.exec(daemon.output())?.[1],
    );
    const readyz = async () => {
      const response = await fetch(`${url}/readyz`);
      return { ready: response.ok, ...((await response.json()) as { stoppedTables?: object[] }) };
    };
    const gauge = async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return /^insideout_source_stopped_tables\{source="shop"\} (\d+)$/m.exec(text)?.[1];
    };
    await eventually('it is ready', async () => (await readyz()).ready);
    return { readyz, gauge };
  };
  const caughtUp = async (sql: string) => {
    await db.client.query(`${sql}; insert into good select max(id) + 1, 0 from good`);
    const { rows } = await db.client.query('select max(id) as id from good');
    await eventually(
      'the view has the row',
      async () => (await runInProcess(['get', 'good', String(rows[0].id)])).code === 0,
    );
  };
  const look = async () => {
    const [json, text, doctor] = [
      await runInProcess(['status', '--json']),
      await runInProcess(['status']),
      await runInProcess(['doctor']),
    ];
    const { stoppedTables } = JSON.parse(json.out).sources[0] as { stoppedTables: { table: string }[] };
    return {
      codes: [json.code, text.code, doctor.code],
      stoppedTables,
      status: text.out,
      doctor: doctor.out,
    };
  };
  const names = (found: readonly { table: string }[]) => found.map((t) => t.table);

  const first = await start();
  await caughtUp('select 1');
  expect(await first.gauge()).toBe('0');
  await caughtUp(
    ['bad', 'gone']
      .map((t) => `alter table ${t} alter v type text; insert into ${t} values (2, 'two')`)
      .join(';'),
  );
  const stopped = ['public.bad', 'public.gone'].map((table) => ({
    source: 'shop',
    table,
    reason: expect.stringMatching(
      /^The new schema of "shop\.public\.\w+-value" cannot read what version 1 wrote\.$/,
    ),
  }));
  expect(await first.readyz()).toMatchObject({ ready: true, stoppedTables: stopped });
  expect(await first.gauge()).toBe('2');
  const mend = 'Undo the column change, .+ Then start the source again: the table is read again, and .+';
  const told = await look();
  expect(told.codes).toEqual([3, 3, 3]);
  expect(names(told.stoppedTables)).toEqual(['public.bad', 'public.gone']);
  expect(told.status).toMatch(
    new RegExp(`^TABLE public\\.bad of shop is stopped {2}The new schema .+\n {2}mend: ${mend}$`, 'm'),
  );
  expect(told.status).toMatch(/^bad .+ its table is stopped$/m);
  expect(told.doctor).toMatch(
    new RegExp(`^fail {2}source shop: stopped table public\\.gone: Nothing of .+\n +mend: ${mend}$`, 'm'),
  );

  // One is mended, the other is not captured any more.
  expect(await up!.end('SIGTERM')).toBe(0);
  await db.client.query('alter table bad drop column v; alter publication insideout_shop drop table gone');
  write(tables.slice(0, 2));
  const second = await start();
  await eventually(
    'the row that was missed',
    async () => (await runInProcess(['get', 'bad', '2'])).code === 0,
  );
  await eventually('no table is stopped', async () => (await second.gauge()) === '0');
  expect(await second.readyz()).not.toHaveProperty('stoppedTables');
  const after = await look();
  expect([after.codes, after.stoppedTables]).toEqual([[0, 0, 0], []]);
});
