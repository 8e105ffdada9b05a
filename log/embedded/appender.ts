import type Database from 'better-sqlite3';
import type { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { classifySqlite } from './database.ts';
import type { RecordWriter } from './record-writer.ts';

interface Waiting {
  readonly records: readonly LogRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

export interface AppenderParts {
  readonly db: Database.Database;
  readonly writer: RecordWriter;
  readonly path: string;
  /** Called after each transaction. */
  appended(): void;
}

/** Writes appended records: calls that come while others wait share one transaction, hence one fsync. */
export class Appender {
  readonly #db: Database.Database;
  readonly #writer: RecordWriter;
  readonly #path: string;
  readonly #appended: () => void;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #failed: InsideoutError | null = null;

  constructor(parts: AppenderParts) {
    this.#db = parts.db;
    this.#writer = parts.writer;
    this.#path = parts.path;
    this.#appended = () => parts.appended();
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.flush());
    });
  }

  recover(): void {
    this.#failed = null;
  }

  /** Writes what waits, now. */
  flush(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    try {
      this.#db.transaction(() => this.#writer.write(waiting.map((w) => w.records))).immediate();
    } catch (error) {
      // Latched: what was called later must not overtake what was lost here.
      this.#failed = classifySqlite(error, this.#path);
      for (const { reject } of waiting) reject(this.#failed);
      return;
    }
    for (const { resolve } of waiting) resolve();
    this.#appended();
  }
}
