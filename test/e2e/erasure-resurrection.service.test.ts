import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { type LoggedRecord, recordsOf } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import {
  type ErasureProject,
  erasureProject,
  filesWith,
  insert,
  poison,
  recordOf,
  valuesOf,
} from './erasure-project.ts';

const customerViews = ['customer', 'copy', 'picky'] as const;

async function append(project: ErasureProject, { key, value, partition }: LoggedRecord): Promise<void> {
  const log = await project.openLog();
  await log.append([
    { topic: project.topic('customers'), partition, key: key!, value, timestamp: Date.now() },
  ]);
  await log.close();
}

async function expectGone(project: ErasureProject, id: number): Promise<void> {
  for (const view of customerViews) expect([view, await project.row(view, id)]).toEqual([view, null]);
}

async function erased(project: ErasureProject, id: number) {
  const { code, answer, output } = await project.ask('erase', 'customer', String(id), '--wait');
  expect([code, output]).toEqual([0, expect.stringContaining('"completed"')]);
  return answer[0];
}

const copyFile = (folder: string, from: string, to: string) => {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(join(folder, to + suffix), { force: true });
    try {
      cpSync(join(folder, from + suffix), join(folder, to + suffix));
    } catch {}
  }
};

test('a rebuild from offset 0 that is staged while an erasure runs brings nobody back', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject({ customers: 3_000, rebuild: 'maxRecordsPerSecond: 700,' });
  project.up();
  await project.caughtUp();
  for (const id of [2_900, 2_950]) {
    const before = (await project.generations('customer')).length;
    const rebuilding = project.ask('rebuild', 'customer_local', '--wait', '--promote');
    await eventually('it is staged', async () => (await project.generations('customer')).length > before);
    const erasure = await erased(project, id);
    const rebuilt = await rebuilding;
    expect([rebuilt.code, rebuilt.output]).toEqual([0, expect.stringContaining('"promoted"')]);
    await expectGone(project, id);
    const staged = rebuilt.answer.generations[0].generation;
    const places = erasure.certificate.body.places.map((p: { name: string }) => p.name);
    expect(places).toContain(`local/customer_local g${staged}`);
    expect(filesWith(project.folder, valuesOf(id))).toEqual([]);
  }
});

test('a dead letter or a late duplicate that is appended again is in no view and no dead letter, is told by verify, and is buried by erasing again', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  project.up();
  await project.caughtUp();
  const records = [await recordOf(project, 'customers', poison), await recordOf(project, 'customers', 7)];
  await erased(project, poison);
  await erased(project, 7);
  for (const record of records) await append(project, record);
  await project.caughtUp();
  for (const id of [poison, 7]) await expectGone(project, id);
  expect((await project.ask('dlq', 'list')).answer).toEqual([]);
  const told = await project.ask('erasure', 'verify');
  expect([told.code, told.answer.map((v: { ok: boolean }) => v.ok)]).toEqual([3, [false, false]]);
  for (const id of [poison, 7]) await erased(project, id);
  expect(filesWith(project.folder, [...valuesOf(poison), ...valuesOf(7)])).toEqual([]);
  expect((await project.ask('erasure', 'verify')).code).toBe(0);
});

test('readers are not rolled back to a generation that has not applied an erasure, not even by force', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { folder } = project;
  const old = project.up();
  await project.caughtUp();
  await old.end('SIGTERM');
  const config = readFileSync(join(folder, 'insideout.config.mjs'), 'utf8');
  writeFileSync(
    join(folder, 'insideout.config.mjs'),
    config.replace(
      `key: ['id'] },\n{ name: 'copy_local'`,
      `key: ['id'], row: (c) => ({ email: c.email, name: c.name }) },\n{ name: 'copy_local'`,
    ),
  );
  project.start(['source', 'run']);
  const rebuilt = await project.ask('rebuild', 'customer_local', '--promote', '--force');
  expect([rebuilt.code, rebuilt.output]).toEqual([0, expect.anything()]);
  project.start(['view', 'run']);
  const erasing = project.ask('erase', 'customer', '5', '--wait');
  await eventually('the source has passed it', async () =>
    (await project.ask('erasures')).answer.some((e: { phase: string }) => e.phase === 'passed'),
  );
  const back = await project.ask('rollback', 'customer_local', '--force');
  expect([back.code === 0, back.output]).toEqual([false, expect.stringContaining('VIEW_GATE')]);
  await eventually(
    'readers do not see the row any more',
    async () => (await project.row('customer', 5)) === null,
  );
  // With what it feeds.
  const retired = await project.ask('retire', 'customer_local', '1');
  expect([retired.code, retired.output]).toEqual([0, expect.anything()]);
  const done = await erasing;
  expect([done.code, done.output]).toEqual([0, expect.anything()]);
  expect(filesWith(folder, valuesOf(5))).toEqual([]);
});

test('a subject that is erased while the first snapshot is read is in no view and no file', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  await project.db.client.query(
    `insert into reviews select n, null, 'somebody', n || '@example.org', 5 from generate_series(1000, 100000) n`,
  );
  const source = project.start(['source', 'run']);
  const reading = () => /public\.reviews".*snapshot of a table begins/.test(source.output());
  const read = () => /public\.reviews".*snapshot of a table is read/.test(source.output());
  await eventually('its other tables are read', reading);
  source.child.kill('SIGSTOP');
  expect(read()).toBe(false);
  const log = await project.openLog();
  expect((await recordsOf(log, project.topic('customers'))).length).toBeGreaterThan(0);
  await log.close();
  const erasing = erased(project, 5);
  await eventually('its rows are deleted', async () =>
    (await project.ask('erasures')).answer.some((e: { phase: string }) => e.phase === 'deleted'),
  );
  expect(read()).toBe(false);
  source.child.kill('SIGCONT');
  project.start(['view', 'run']);
  await erasing;
  await expectGone(project, 5);
  expect(filesWith(project.folder, valuesOf(5))).toEqual([]);
});

/** As a compaction does after delete.retention.ms: then nothing in the Log deletes the row any more. */
function forgetTombstones(file: string): void {
  const db = new Database(file);
  const tables = db
    .prepare("select name from sqlite_master where type = 'table' and sql like '%headers%'")
    .pluck();
  let forgotten = 0;
  for (const name of tables.all())
    forgotten += db.prepare(`delete from "${name}" where value is null`).run().changes;
  db.close();
  expect(forgotten).toBeGreaterThan(0);
}

test('a store that is restored from a backup is swept before anybody writes to it', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { folder } = project;
  let daemon = project.up();
  await project.caughtUp();
  await daemon.end('SIGTERM');
  copyFile(folder, 'views.db', 'backup');
  daemon = project.up();
  await erased(project, 9);
  await daemon.end('SIGTERM');
  copyFile(folder, 'backup', 'views.db');
  forgetTombstones(join(folder, 'log.db'));
  expect(await project.row('customer', 9)).not.toBeNull();
  expect((await project.ask('erasure', 'verify')).code).toBe(3);
  project.up();
  await project.caughtUp();
  await expectGone(project, 9);
  expect((await project.ask('erasure', 'verify')).code).toBe(0);
});

test('a Log that is restored from a backup learns again what was erased, and brings nobody back', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { folder } = project;
  let daemon = project.up();
  await project.caughtUp();
  await daemon.end('SIGTERM');
  copyFile(folder, 'log.db', 'backup');
  daemon = project.up();
  const { id: first } = await erased(project, 9);
  await daemon.end('SIGTERM');
  copyFile(folder, 'backup', 'log.db');
  rmSync(join(folder, 'backup'));
  rmSync(join(folder, 'backup-wal'), { force: true });
  expect(filesWith(folder, valuesOf(9)).length).toBeGreaterThan(0);
  // The source has acknowledged more than this Log holds, and the views have read more.
  expect((await project.ask('slot', 'drop', '--yes')).code).toBe(0);
  project.start(['source', 'run', '--resnapshot']);
  for (const view of ['customer_local', 'orders_local', 'payments_local', 'reviews_local', 'picky_local']) {
    const rebuilt = await project.ask('rebuild', view, '--promote', '--force');
    expect([rebuilt.code, rebuilt.output]).toEqual([0, expect.stringContaining('"promoted"')]);
    // Nobody can follow the former one, so nobody can go back to it.
    expect((await project.ask('retire', view)).code).toBe(0);
  }
  project.start(['view', 'run']);
  await project.caughtUp();
  await expectGone(project, 9);
  expect((await project.ask('erasures')).answer.map((e: { id: string }) => e.id)).toEqual([first]);
  expect((await project.ask('erasure', 'verify')).code).toBe(3);
  await erased(project, 9);
  expect(filesWith(folder, valuesOf(9))).toEqual([]);
});

test('rows that are inserted again with an erased key are in no view, until the erasure is lifted', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  project.up();
  await project.caughtUp();
  const { id } = await erased(project, 9);
  await project.db.client.query('delete from reviews where id = 9');
  await insert(project.db, 9, 9);
  await project.caughtUp();
  await expectGone(project, 9);
  expect((await project.ask('erasure', 'verify')).code).toBe(3);
  expect((await project.ask('erasure', 'lift', id)).code).toBe(0);
  await project.db.client.query("update customers set name = 'again' where id = 9");
  await eventually('the row is let in', async () => (await project.row('customer', 9))?.name === 'again');
  const verified = await project.ask('erasure', 'verify');
  expect([verified.code, verified.answer[0].lifted]).toEqual([0, true]);
});
