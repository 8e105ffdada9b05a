import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { partitionTable } from './database.ts';
import { encodeHeaders } from './headers.ts';
import type { Topics } from './topics.ts';

/** Rows of one statement: sixteen were measured to take a fifth less time than one by one. */
const rowsAtOnce = 16;
const columns = 5;

/** Puts records at the end of their partitions, inside of a transaction of the caller's. */
export class RecordWriter {
  readonly #db: Database.Database;
  readonly #topics: Topics;
  readonly #select: Database.Statement<[number, number], { next: number }>;
  readonly #move: Database.Statement;
  readonly #inserts = new Map<string, Inserts>();

  constructor(db: Database.Database, topics: Topics) {
    this.#db = db;
    this.#topics = topics;
    this.#select = db.prepare('select next from ends where topic_id = ? and partition = ?');
    this.#move = db.prepare('update ends set next = ? where topic_id = ? and partition = ?');
  }

  /** Writes runs of records, those of a partition in their order. Errors: `LOG_TOPIC`. */
  write(runs: readonly (readonly LogRecord[])[]): void {
    // Looked up by topic and number: a text for each record would be slower.
    const ends = new Map<string, (PartitionEnd | undefined)[]>();
    for (const records of runs)
      for (const record of records) {
        const ofTopic = ends.get(record.topic) ?? [];
        const end = ofTopic[record.partition] ?? this.#end(record);
        if (!ofTopic[record.partition]) {
          ofTopic[record.partition] = end;
          ends.set(record.topic, ofTopic);
        }
        end.add(record);
      }
    for (const ofTopic of ends.values())
      for (const end of ofTopic) if (end) this.#move.run(end.finish(), end.topicId, end.partition);
  }

  /** Read inside the transaction each time, because another process may have appended. */
  #end({ topic: name, partition }: LogRecord): PartitionEnd {
    const topic = this.#topics.get(name);
    const end = this.#select.get(topic.id, partition);
    if (!end)
      throw new InsideoutError('LOG_TOPIC', `The topic "${name}" has no partition ${partition}.`, {
        hint: 'Choose partitions with the count that the Log reports.',
      });
    const table = partitionTable(topic.id, partition);
    let inserts = this.#inserts.get(table);
    if (!inserts) {
      inserts = { one: this.#insert(table, 1), many: this.#insert(table, rowsAtOnce) };
      this.#inserts.set(table, inserts);
    }
    return new PartitionEnd({ topicId: topic.id, partition, next: end.next, inserts });
  }

  /**
   * After a row that fails the rows before it stay, until the caller's transaction is rolled back with all of them.
   * Otherwise SQLite would keep a copy of each page, to undo the statement alone.
   */
  #insert(table: string, rows: number): Database.Statement {
    const row = `(${Array(columns).fill('?').join(', ')})`;
    return this.#db.prepare(
      `insert or fail into ${table} (offset, key, value, headers, timestamp) values ${Array(rows).fill(row).join(', ')}`,
    );
  }
}

interface Inserts {
  readonly one: Database.Statement;
  readonly many: Database.Statement;
}

/** The end of a partition, to which records are added. */
class PartitionEnd {
  readonly topicId: number;
  readonly partition: number;
  readonly #inserts: Inserts;
  #next: number;
  /** Parameters of the rows that wait for their statement, and how many parameters. */
  readonly #waiting: unknown[] = new Array(rowsAtOnce * columns);
  #filled = 0;

  constructor(parts: { topicId: number; partition: number; next: number; inserts: Inserts }) {
    this.topicId = parts.topicId;
    this.partition = parts.partition;
    this.#next = parts.next;
    this.#inserts = parts.inserts;
  }

  add({ key, value, headers, timestamp }: LogRecord): void {
    const waiting = this.#waiting;
    let at = this.#filled;
    waiting[at++] = this.#next++;
    waiting[at++] = key;
    waiting[at++] = value;
    waiting[at++] = encodeHeaders(headers);
    waiting[at++] = timestamp;
    this.#filled = at;
    if (at < waiting.length) return;
    this.#inserts.many.run(waiting);
    this.#filled = 0;
  }

  /** Writes what still waits. Returns the offset of the next record. */
  finish(): number {
    for (let at = 0; at < this.#filled; at += columns)
      this.#inserts.one.run(this.#waiting.slice(at, at + columns));
    this.#filled = 0;
    return this.#next;
  }
}
