import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import { makeFolder } from '../folder.ts';

/**
 * Opens the Log's file. Several processes may have it open: SQLite's write-ahead log lets them read while one
 * writes, and `synchronous=FULL` makes a commit durable before it returns. Deleted bytes are overwritten.
 */
export function openDatabase(path: string): Database.Database {
  try {
    makeFolder(dirname(path));
    const db = new Database(path, { timeout: 10_000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('secure_delete = ON');
    db.pragma('cache_size = -65536');
    db.exec(schema);
    return db;
  } catch (error) {
    throw classifySqlite(error, path);
  }
}

/**
 * Empties the write-ahead log, where pages are as they were before they were changed. False when somebody reads or
 * writes at this moment: it is not waited for, since it may be this process that would have to go on.
 */
export function truncateWal(db: Database.Database): boolean {
  const patience = db.pragma('busy_timeout', { simple: true });
  db.pragma('busy_timeout = 0');
  try {
    return db.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0;
  } finally {
    db.pragma(`busy_timeout = ${patience}`);
  }
}

/** A SQLite error by its code. */
export function classifySqlite(error: unknown, path: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? 'unknown');
  if (/^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code))
    return new InsideoutError(
      'LOG_UNREACHABLE',
      `The Log's file ${path} is locked by another process (${code}).`,
      {
        hint: 'It is tried again; if it stays, look for a process that keeps the file open for writing.',
        cause: error,
      },
    );
  if (code === 'SQLITE_TOOBIG')
    return new InsideoutError('LOG_RECORD_TOO_LARGE', 'A record is larger than SQLite takes.', {
      hint: 'Leave the large column out of the publication (column list).',
      cause: error,
    });
  return new InsideoutError('LOG_TOPIC', `The Log's file ${path} cannot be used (${code}).`, {
    hint: 'Check that the folder exists, is writable, and has room; a corrupt file must be restored or removed.',
    cause: error,
  });
}

const schema = `
  create table if not exists topics (
    id integer primary key, name text not null unique, partitions integer not null, cleanup text not null, retention_ms integer not null
  );
  create table if not exists ends (
    topic_id integer not null, partition integer not null, next integer not null, primary key (topic_id, partition)
  ) without rowid;
  create table if not exists schemas (id integer primary key, schema text not null unique);
  create table if not exists subjects (
    subject text not null, version integer not null, schema_id integer not null, primary key (subject, version)
  ) without rowid;
  create table if not exists cleanings (
    topic_id integer not null, partition integer not null, at integer not null, through integer not null,
    primary key (topic_id, partition, at)
  ) without rowid;
  -- Up to where records of compacted topics were forgotten because of their age.
  create table if not exists expired (
    topic_id integer not null, partition integer not null, through integer not null, primary key (topic_id, partition)
  ) without rowid;
  create table if not exists members (
    grp text not null, owner text not null, expires integer not null, primary key (grp, owner)
  ) without rowid;
  create table if not exists leases (
    grp text not null, topic text not null, partition integer not null, owner text not null, expires integer not null,
    primary key (grp, topic, partition)
  ) without rowid;
  create table if not exists fences (id text primary key, epoch integer not null) without rowid;
  -- Partitions of deleted topics whose records are still to be removed.
  create table if not exists dropped (topic_id integer not null, partition integer not null, primary key (topic_id, partition)) without rowid;
  -- The highest topic id that was ever deleted: an id stands for one topic for ever.
  create table if not exists last_deleted (only integer primary key check (only = 0), topic_id integer not null);
`;

/** Each partition has a table of its own, so that an append goes to the end and a read is one range. */
export const partitionTable = (topicId: number, partition: number): string =>
  `"records_${topicId}_${partition}"`;

export const partitionDdl = (topicId: number, partition: number): string => `
  create table if not exists ${partitionTable(topicId, partition)} (
    offset integer primary key, key blob, value blob, headers blob, timestamp integer not null
  )`;
