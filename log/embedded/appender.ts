import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { classifySqlite, partitionTable } from './database.ts';
import { encodeHeaders } from './headers.ts';
import type { Topics } from './topics.ts';

interface Waiting {
  readonly records: readonly LogRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

/** Writes appended records: calls that come while others wait share one transaction, hence one fsync. */
export class Appender {
  readonly #db: Database.Database;
  readonly #topics: Topics;
  readonly #path: string;
  readonly #select: Database.Statement<[number, number], { next: number }>;
  readonly #move: Database.Statement;
  readonly #inserts = new Map<string, Database.Statement>();
  readonly #appended: () => void;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #failed: InsideoutError | null = null;

  constructor(parts: { db: Database.Database; topics: Topics; path: string; appended: () => void }) {
    this.#db = parts.db;
    this.#topics = parts.topics;
    this.#path = parts.path;
    this.#appended = parts.appended;
    this.#select = parts.db.prepare('select next from ends where topic_id = ? and partition = ?');
    this.#move = parts.db.prepare('update ends set next = ? where topic_id = ? and partition = ?');
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
      this.#db.transaction(() => this.#write(waiting)).immediate();
    } catch (error) {
      // Latched: what was called later must not overtake what was lost here.
      this.#failed = classifySqlite(error, this.#path);
      for (const { reject } of waiting) reject(this.#failed);
      return;
    }
    for (const { resolve } of waiting) resolve();
    this.#appended();
  }

  #write(waiting: readonly Waiting[]): void {
    const next = new Map<
      string,
      { topicId: number; partition: number; offset: number; insert: Database.Statement }
    >();
    for (const { records } of waiting)
      for (const record of records) {
        const name = `${record.topic}/${record.partition}`;
        let end = next.get(name);
        if (!end) {
          end = this.#end(record);
          next.set(name, end);
        }
        end.insert.run(
          end.offset++,
          record.key,
          record.value,
          encodeHeaders(record.headers),
          record.timestamp,
        );
      }
    for (const end of next.values()) this.#move.run(end.offset, end.topicId, end.partition);
  }

  /** Read inside the transaction each time, because another process may have appended. */
  #end(record: LogRecord) {
    const topic = this.#topics.get(record.topic);
    const end = this.#select.get(topic.id, record.partition);
    if (!end)
      throw new InsideoutError(
        'LOG_TOPIC',
        `The topic "${record.topic}" has no partition ${record.partition}.`,
        {
          hint: 'Choose partitions with the count that the Log reports.',
        },
      );
    const table = partitionTable(topic.id, record.partition);
    let insert = this.#inserts.get(table);
    if (!insert) {
      insert = this.#db.prepare(
        `insert into ${table} (offset, key, value, headers, timestamp) values (?, ?, ?, ?, ?)`,
      );
      this.#inserts.set(table, insert);
    }
    return { topicId: topic.id, partition: record.partition, offset: end.next, insert };
  }
}
