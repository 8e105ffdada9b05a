import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { slotStatus } from '../../connectors/source/postgres/slot.ts';
import { Watermark } from '../../connectors/source/postgres/watermark.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { tableOf } from '../support/capture.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const view = { name: 'note', columns: { id: 'int', v: 'text' }, key: ['id'] } as const;

/** A table of 20 rows, an embedded Log and a view of it in SQLite. */
async function project() {
  const db = await createDatabase();
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-restored-'));
  const slot = `slot_${db.name}`;
  const config = {
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.note'], slot, partitions: 2 } },
    log: { kind: 'embedded', path: 'log.db' },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
    views: [{ ...view, from: 'shop.public.note', store: 'local' }],
    rebuild: { steadyMs: 0 },
    http: false,
  };
  writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query(
    "create table note (id int primary key, v text); insert into note select g, 'a' from generate_series(1, 20) g",
  );
  const running = new Set<RunningCli>();
  onTestFinished(async () => {
    await Promise.all([...running].map((cli) => cli.end('SIGKILL')));
    await db.drop();
    rmSync(cwd, { recursive: true, force: true });
  });
  const start = (...args: string[]) => {
    const cli = startCli(args, { cwd });
    running.add(cli);
    void cli.exited.then(() => running.delete(cli));
    return cli;
  };
  const inTable = async () => {
    const { rows } = await db.client.query('select id, v from note order by id');
    return rows.map(({ id, v }) => `${id} ${v}`).join();
  };
  const inView = async () => {
    if (!existsSync(join(cwd, 'views.db'))) return '';
    const store = await openSqliteStore({ path: join(cwd, 'views.db') });
    try {
      const active = await store.active(view.name);
      if (active === null) return '';
      const rows: { id: unknown; v: unknown }[] = [];
      for await (const row of (await store.open(view, active)).scan())
        rows.push({ id: Number(row.id), v: row.v });
      return sorted(rows);
    } finally {
      await store.close();
    }
  };
  const withLog = async <T>(read: (log: Awaited<ReturnType<typeof openEmbeddedLog>>) => Promise<T>) => {
    const log = await openEmbeddedLog({ path: join(cwd, 'log.db') });
    try {
      return await read(log);
    } finally {
      await log.close();
    }
  };
  const inLog = () =>
    withLog(async (log) =>
      (await log.topics()).includes('shop.public.note')
        ? sorted([...(await tableOf(log, 'shop.public.note')).values()])
        : '',
    );
  return {
    db,
    start,
    inLog,
    inView,
    inTable,
    /** Copies the Log's files; those that are missing are removed where they go. */
    copyLog(from: string, to: string) {
      for (const suffix of ['', '-wal', '-shm']) {
        rmSync(join(cwd, to + suffix), { force: true });
        if (existsSync(join(cwd, from + suffix))) cpSync(join(cwd, from + suffix), join(cwd, to + suffix));
      }
    },
    async slotAndWatermark() {
      const { confirmedLsn } = await slotStatus({ url: db.url, slot });
      return { slot: confirmedLsn, watermark: await withLog((log) => Watermark.read(log, 'shop')) };
    },
    async same(what: () => Promise<string>) {
      const expected = await inTable();
      await eventually(`it equals the table ${expected}`, async () => (await what()) === expected);
    },
  };
}

const sorted = (rows: Record<string, unknown>[]): string =>
  rows
    .sort((a, b) => Number(a.id) - Number(b.id))
    .map(({ id, v }) => `${id} ${v}`)
    .join();

test('a source whose Log was put back from an older copy is refused, and what it then tells to do makes Log and view whole again', {
  timeout: 180_000,
}, async () => {
  const { db, start, same, inLog, inView, copyLog } = await project();
  let daemon = start('up');
  await same(inView);
  expect(await daemon.end('SIGTERM')).toBe(0);
  copyLog('log.db', 'copy.db');
  daemon = start('up');
  await db.client.query(
    "delete from note where id <= 5; update note set v = 'b' where id = 6; insert into note values (100, 'c')",
  );
  await same(inView);
  expect(await daemon.end('SIGTERM')).toBe(0);

  copyLog('copy.db', 'log.db');
  await db.client.query("delete from note where id = 7; insert into note values (101, 'd')");
  daemon = start('up');
  expect(await daemon.exited).toBe(3);
  expect(daemon.output()).toMatch(/restored from an older copy/);
  const mend =
    /`insideout (slot drop shop)`.+`insideout (source run shop --resnapshot)`.+`insideout (rebuild <view> --promote --force)`/.exec(
      daemon.output(),
    );
  expect(mend).not.toBeNull();
  const [drop, run, rebuild] = mend!.slice(1).map((command) => command.replace('<view>', 'note').split(' '));
  const doctor = start('doctor');
  expect([await doctor.exited, doctor.output()]).toEqual([3, expect.stringContaining('older copy')]);
  const status = start('status');
  expect([await status.exited, status.output()]).toEqual([3, expect.stringContaining('older copy')]);

  expect(await start(...drop!, '--yes').exited).toBe(0);
  const source = start(...run!);
  await same(inLog);
  const rebuilding = start(...rebuild!);
  expect([await rebuilding.exited, rebuilding.output()]).toEqual([0, expect.stringContaining('promoted')]);
  await same(inView);
  expect(await source.end('SIGTERM')).toBe(0);
  expect(await start('doctor').exited).toBe(0);

  daemon = start('up');
  await db.client.query("insert into note values (102, 'e'); delete from note where id = 8");
  await same(inView);
  expect(await daemon.end('SIGTERM')).toBe(0);
});

test('a source that is killed leaves no slot that is past the watermark, and goes on', {
  timeout: 120_000,
}, async () => {
  const { db, start, same, inLog, slotAndWatermark } = await project();
  let daemon = start('source', 'run');
  await same(inLog);
  for (let kill = 0; kill < 3; kill++) {
    const before = (await slotAndWatermark()).slot ?? 0n;
    await eventually('the slot has moved', async () => {
      await db.client.query('insert into note select max(id) + 1, now()::text from note');
      return ((await slotAndWatermark()).slot ?? 0n) > before;
    });
    await daemon.end('SIGKILL');
    const { slot, watermark } = await slotAndWatermark();
    expect(watermark.lsn).toBeGreaterThanOrEqual(slot!);
    daemon = start('source', 'run');
  }
  await db.client.query('delete from note where id <= 5');
  await same(inLog);
  expect(await daemon.end('SIGTERM')).toBe(0);
});
