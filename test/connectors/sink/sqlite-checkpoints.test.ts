import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Checkpoints } from '../../../connectors/sink/sqlite/sqlite-checkpoints.ts';
import { openDatabase } from '../../../connectors/sink/sqlite/sqlite-database.ts';

const megabyte = 1 << 20;
let path: string;
let db: Database.Database;
let checkpoints: Checkpoints;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-'));
  path = join(folder, 'views.db');
  db = openDatabase(path);
  // Only the thread copies.
  db.pragma('wal_autocheckpoint = 0');
  db.exec('create table rows (bytes blob)');
  checkpoints = new Checkpoints(path);
  onTestFinished(async () => {
    await checkpoints.close();
    db.close();
    rmSync(folder, { recursive: true });
  });
});

const write = () => db.prepare('insert into rows values (zeroblob(?))').run(megabyte);
const fileSize = () => statSync(path).size;
const patience = { timeout: 10_000 };

test('a bulk of rows is copied into the file while its writer goes on, and so is the next', async () => {
  for (const size of [megabyte, 2 * megabyte]) {
    write();
    checkpoints.wrote(20_000);
    await expect.poll(fileSize, patience).toBeGreaterThan(size);
  }
});

test('few rows are left to the writer', async () => {
  write();
  for (let i = 0; i < 10; i++) checkpoints.wrote(1_000);
  await wait(300);
  expect(fileSize()).toBeLessThan(megabyte);
});

test('closing waits until the thread has let go of the file', async () => {
  write();
  checkpoints.wrote(20_000);
  await expect.poll(fileSize, patience).toBeGreaterThan(megabyte);
  await checkpoints.close();
  // Only who has the file for itself can do that: https://www.sqlite.org/wal.html
  expect(db.pragma('journal_mode = delete', { simple: true })).toBe('delete');
});

test('a file that is gone is not made anew, and harms nobody', async () => {
  write();
  rmSync(path);
  checkpoints.wrote(20_000);
  await checkpoints.close();
  expect(existsSync(path)).toBe(false);
  write();
});
