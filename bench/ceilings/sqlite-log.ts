import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Ceiling } from '../cases/case.ts';

const perTransaction = 8_000;
const keyBytes = 9;
const valueBytes = 160;

/** Appends of key and value, durable by transaction, to one table in the order of its key. */
export function appendAlone(records: number): Ceiling {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
  const db = new Database(join(folder, 'log.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('cache_size = -65536');
  db.exec('create table records (at integer primary key, timestamp integer, key blob, value blob)');
  const insert = db.prepare('insert into records values (?, ?, ?, ?)');
  const key = randomBytes(keyBytes);
  const value = randomBytes(valueBytes);
  const append = db.transaction((from: number, to: number) => {
    for (let at = from; at < to; at++) insert.run(at, at, key, value);
  });
  const startedAt = performance.now();
  for (let from = 0; from < records; from += perTransaction)
    append(from, Math.min(from + perTransaction, records));
  const seconds = (performance.now() - startedAt) / 1000;
  db.close();
  rmSync(folder, { recursive: true });
  return { name: 'bare better-sqlite3 loop', recordsPerSecond: records / seconds };
}
