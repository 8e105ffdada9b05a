import { createHmac, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { InsideoutError } from '../core/errors.ts';
import { makeFolder } from '../log/folder.ts';
import { assertPrivate } from './private-file.ts';

const schema = `
  create table if not exists secret (only integer primary key check (only = 0), bytes blob not null);
  -- key is null once it was destroyed: the row stays, so that no other key takes its place.
  create table if not exists subject_keys (subject blob primary key, key blob) without rowid;
`;

/**
 * A file of keys, one for each subject, under keyed hashes of the subjects. Several processes may have it open; a
 * commit is durable before it returns. No write-ahead log, in which a key could survive: SQLite's rollback journal
 * is removed with each commit, and what is deleted is overwritten.
 */
export class SubjectKeys {
  readonly #path: string;
  readonly #db: Database.Database;
  readonly #secret: Buffer;
  readonly #select: Database.Statement<[Buffer], { key: Buffer | null }>;

  /** Errors: `ERASURE_KEY`, also for a file that others may read. */
  constructor(path: string, options: { create: boolean }) {
    this.#path = path;
    if (!options.create && !existsSync(path))
      throw new InsideoutError('ERASURE_KEY', `There is no file of subject keys at ${path}.`, {
        hint: 'Correct `erasure.shred` in the config: it is the file that encrypts.',
      });
    if (!existsSync(path)) this.#guard(() => create(path));
    assertPrivate(path, 'The file of subject keys');
    try {
      this.#db = new Database(path, { timeout: 10_000 });
      this.#db.pragma('journal_mode = DELETE');
      this.#db.pragma('synchronous = EXTRA');
      this.#db.pragma('secure_delete = ON');
      this.#db.exec(schema);
      this.#db.prepare('insert or ignore into secret values (0, ?)').run(randomBytes(32));
      this.#secret = this.#db.prepare<[], Buffer>('select bytes from secret').pluck().get()!;
      this.#select = this.#db.prepare('select key from subject_keys where subject = ?');
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  /** What stands for the subject outside of this file; the same for ever. */
  hash(subject: string): string {
    return createHmac('sha256', this.#secret).update(subject).digest('hex').slice(0, 32);
  }

  /** Null once it was destroyed, undefined when there never was one. */
  find(hash: string): Buffer | null | undefined {
    return this.#guard(() => this.#select.get(bytesOf(hash))?.key);
  }

  /** The subject's key, made when there is none. Null once it was destroyed. */
  findOrMake(hash: string): Buffer | null {
    const known = this.find(hash);
    if (known !== undefined) return known;
    this.#guard(() =>
      this.#db
        .prepare('insert or ignore into subject_keys values (?, ?)')
        .run(bytesOf(hash), randomBytes(32)),
    );
    return this.find(hash) ?? null;
  }

  /**
   * Destroys the key, durably, and keeps another from being made. When it returns, the key's bytes were looked for
   * in the file and are not there. False when it was destroyed before. Errors: `ERASURE_KEY`.
   */
  destroy(hash: string): boolean {
    const key = this.find(hash);
    if (key === null) return false;
    this.#guard(() =>
      this.#db
        .prepare('insert into subject_keys values (?, null) on conflict do update set key = null')
        .run(bytesOf(hash)),
    );
    if (!key || !this.#holds(key)) return true;
    this.#guard(() => this.#db.exec('vacuum'));
    if (this.#holds(key)) throw this.#unusable(new Error('the bytes of a destroyed key are still there'));
    return true;
  }

  close(): void {
    this.#db.close();
  }

  #holds(bytes: Buffer): boolean {
    for (const file of [this.#path, `${this.#path}-journal`])
      if (existsSync(file) && contains(file, bytes)) return true;
    return false;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  #unusable(error: unknown): InsideoutError {
    const code = String((error as { code?: unknown } | null)?.code ?? 'unknown');
    return new InsideoutError(
      'ERASURE_KEY',
      `The file of subject keys ${this.#path} cannot be used (${code}).`,
      {
        hint: 'Check that its folder exists, is writable and has room, and that no process keeps it locked.',
        cause: error,
      },
    );
  }
}

/** Nobody else may read it at any time: SQLite takes an empty file for a new one, and gives its rights to its journal. */
function create(path: string): void {
  makeFolder(dirname(path));
  try {
    writeFileSync(path, '', { mode: 0o600, flag: 'wx' });
  } catch (error) {
    // Another process may have been faster.
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
}

const bytesOf = (hash: string): Buffer => Buffer.from(hash, 'hex');

function contains(file: string, bytes: Buffer): boolean {
  const chunk = Buffer.alloc(1 << 20);
  const fd = openSync(file, 'r');
  try {
    for (let at = 0; ; at += chunk.length - bytes.length) {
      const read = readSync(fd, chunk, 0, chunk.length, at);
      if (chunk.subarray(0, read).includes(bytes)) return true;
      if (read < chunk.length) return false;
    }
  } finally {
    closeSync(fd);
  }
}
