import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { LogRecord } from '../log.ts';
import { partitionTable } from './database.ts';
import { encodeHeaders } from './headers.ts';
import type { Topics } from './topics.ts';

/** Puts records at the end of their partitions, inside of a transaction of the caller's. */
export class RecordWriter {
  readonly #db: Database.Database;
  readonly #topics: Topics;
  readonly #select: Database.Statement<[number, number], { next: number }>;
  readonly #move: Database.Statement;
  readonly #inserts = new Map<string, Database.Statement>();

  constructor(db: Database.Database, topics: Topics) {
    this.#db = db;
    this.#topics = topics;
    this.#select = db.prepare('select next from ends where topic_id = ? and partition = ?');
    this.#move = db.prepare('update ends set next = ? where topic_id = ? and partition = ?');
  }

  /** Writes runs of records, in their order. Errors: `LOG_TOPIC`. */
  write(runs: readonly (readonly LogRecord[])[]): void {
    const ends = new Map<string, End>();
    for (const records of runs)
      for (const record of records) {
        const name = `${record.topic}/${record.partition}`;
        let end = ends.get(name);
        if (!end) {
          end = this.#end(record);
          ends.set(name, end);
        }
        end.insert.run(
          end.offset++,
          record.key,
          record.value,
          encodeHeaders(record.headers),
          record.timestamp,
        );
      }
    for (const end of ends.values()) this.#move.run(end.offset, end.topicId, end.partition);
  }

  /** Read inside the transaction each time, because another process may have appended. */
  #end(record: LogRecord): End {
    const topic = this.#topics.get(record.topic);
    const end = this.#select.get(topic.id, record.partition);
    if (!end)
      throw new InsideoutError(
        'LOG_TOPIC',
        `The topic "${record.topic}" has no partition ${record.partition}.`,
        { hint: 'Choose partitions with the count that the Log reports.' },
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

interface End {
  readonly topicId: number;
  readonly partition: number;
  offset: number;
  readonly insert: Database.Statement;
}
