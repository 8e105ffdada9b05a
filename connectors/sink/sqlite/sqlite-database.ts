import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { type ErrorCode, InsideoutError } from '../../../core/errors.ts';
import { makeFolder } from '../../../log/folder.ts';

const schema = `
  create table if not exists insideout_generations (
    view text not null, generation integer not null, shape text not null, primary key (view, generation)
  ) without rowid;
  create table if not exists insideout_checkpoints (
    view text not null, generation integer not null, topic text not null, partition integer not null,
    next integer not null, epoch integer not null, primary key (view, generation, topic, partition)
  ) without rowid;
  create table if not exists insideout_active (view text primary key, generation integer not null) without rowid;
`;

/**
 * Opens the views' file. `synchronous=NORMAL` suffices: when the machine loses power SQLite may fall back to an
 * earlier commit, but rows and checkpoint fall back together, and the Log fills the rest in again.
 */
export function openDatabase(path: string): Database.Database {
  try {
    makeFolder(dirname(path));
    const db = new Database(path, { timeout: patienceMs });
    // Of a new file. Twice SQLite's own size was measured to take a sixth less time for a bulk of rows.
    db.pragma('page_size = 8192');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma('secure_delete = ON');
    db.pragma('cache_size = -65536');
    // 32 MiB: with SQLite's own 1,000 pages, a page that many rows go to is copied back again and again.
    db.pragma('wal_autocheckpoint = 4000');
    db.exec(schema);
    return db;
  } catch (error) {
    throw classifySqlite(error, path);
  }
}

/**
 * A transaction that is on the disk when it returns, with all that were committed before it, whatever becomes of
 * the machine: https://www.sqlite.org/pragma.html#pragma_synchronous
 */
export function durably(db: Database.Database, work: () => void): void {
  db.pragma('synchronous = FULL');
  try {
    db.transaction(work).immediate();
  } finally {
    db.pragma('synchronous = NORMAL');
  }
}

/** How long a writer waits for others, milliseconds. */
const patienceMs = 5_000;
/** How often it looks whether they have left the file. */
const lookMs = 1;

/**
 * Does work that writes once nobody else does. SQLite itself would look ever more seldom, up to ten times a second,
 * and keep this thread from everything else meanwhile.
 */
export async function onceFree(db: Database.Database, path: string, work: () => void): Promise<void> {
  for (const deadline = performance.now() + patienceMs; ; await wait(lookMs)) {
    if (!db.open) throw closed(path);
    db.pragma('busy_timeout = 0');
    try {
      work();
      return;
    } catch (error) {
      if (!isLocked(error) || performance.now() > deadline) throw classifySqlite(error, path);
    } finally {
      db.pragma(`busy_timeout = ${patienceMs}`);
    }
  }
}

const isLocked = (error: unknown): boolean =>
  error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code);

/** So long at least is the file left to others between two slices of long work: they poll. */
export const shortestPauseMs = 5;

/** https://www.sqlite.org/rescode.html */
export function classifySqlite(error: unknown, path: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const code = String(
    (error as { code?: unknown } | null)?.code ?? (error instanceof Error ? error.name : 'unknown'),
  );
  const make = (kind: ErrorCode, message: string, hint: string) =>
    new InsideoutError(kind, message, { hint, cause: error });
  if (/^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code))
    return make(
      'STORE_UNREACHABLE',
      `The SQLite file ${path} is locked (${code}).`,
      'It is tried again; look for a process that holds a write transaction open.',
    );
  if (
    /^SQLITE_(TOOBIG|MISMATCH|CONSTRAINT|RANGE)/.test(code) ||
    code === 'TypeError' ||
    code === 'RangeError'
  )
    return make(
      'RECORD_UNSTORABLE',
      `SQLite refuses a row (${code}).`,
      'Look at it with `insideout dlq show`; the declared column types may not fit.',
    );
  return make(
    'STORE_REFUSED',
    `The SQLite file ${path} cannot be written (${code}).`,
    'Check that the folder exists, is writable and has room, and that the file and those with -wal and -shm beside it can be written; a corrupt file may be removed, its views are built again.',
  );
}

/** Without this, better-sqlite3 answers with the same kind of error as for a value that it cannot bind. */
export const closed = (path: string): InsideoutError =>
  new InsideoutError('STORE_UNREACHABLE', `The SQLite file ${path} was closed.`, {
    hint: 'Open the store again.',
  });
