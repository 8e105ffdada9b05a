import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { TopicSpec } from '../log.ts';
import { refuseOtherCount } from '../partition-count.ts';
import { partitionDdl } from './database.ts';

export interface Topic {
  readonly id: number;
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'compact' | 'delete';
  readonly retentionMs: number;
}

/** The topics of the file. Other processes add and delete some, so each question is asked of the file. */
export class Topics {
  readonly #db: Database.Database;
  readonly #select: Database.Statement<[string], Topic>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#select = db.prepare(
      'select id, name, partitions, cleanup, retention_ms as retentionMs from topics where name = ?',
    );
  }

  find(name: string): Topic | null {
    return this.#select.get(name) ?? null;
  }

  get(name: string): Topic {
    const topic = this.find(name);
    if (topic) return topic;
    throw new InsideoutError('LOG_TOPIC', `There is no topic "${name}" in the Log.`, {
      hint: 'Start the source that writes it first, or correct the name.',
    });
  }

  all(): Topic[] {
    return this.#db
      .prepare<[], Topic>(
        'select id, name, partitions, cleanup, retention_ms as retentionMs from topics order by name',
      )
      .all();
  }

  ensure(specs: readonly TopicSpec[]): void {
    this.#db
      .transaction(() => {
        for (const spec of specs) this.#ensure(spec);
      })
      .immediate();
  }

  /** Refuses those that exist with another partition count; any other can be created. */
  check(specs: readonly TopicSpec[]): void {
    for (const spec of specs) refuseOtherCount(spec, this.find(spec.name)?.partitions);
  }

  /** Forgets the topics; their records wait in `dropped` for `removeDropped`. Missing ones are ignored. */
  remove(names: readonly string[]): void {
    this.#db
      .transaction(() => {
        for (const topic of names.map((name) => this.find(name))) if (topic) this.#remove(topic);
      })
      .immediate();
  }

  #remove(topic: Topic): void {
    this.#db
      .prepare('insert into dropped select topic_id, partition from ends where topic_id = ?')
      .run(topic.id);
    for (const table of ['ends', 'cleanings', 'expired'])
      this.#db.prepare(`delete from ${table} where topic_id = ?`).run(topic.id);
    this.#db.prepare('delete from topics where id = ?').run(topic.id);
    this.#db
      .prepare(
        `insert into last_deleted values (0, ?)
         on conflict do update set topic_id = max(topic_id, excluded.topic_id)`,
      )
      .run(topic.id);
  }

  #ensure(spec: TopicSpec): void {
    const existing = this.find(spec.name);
    if (existing) {
      refuseOtherCount(spec, existing.partitions);
      const { retentionMs = existing.retentionMs } = spec;
      if (retentionMs !== existing.retentionMs)
        this.#db.prepare('update topics set retention_ms = ? where id = ?').run(retentionMs, existing.id);
      return;
    }
    // Never an id of a topic that was deleted: who still reads or appends by it must not meet the new one.
    const id = this.#db
      .prepare<[], number>(
        `select 1 + max((select coalesce(max(id), 0) from topics),
                        (select coalesce(max(topic_id), 0) from last_deleted))`,
      )
      .pluck()
      .get()!;
    this.#db
      .prepare('insert into topics (id, name, partitions, cleanup, retention_ms) values (?, ?, ?, ?, ?)')
      .run(id, spec.name, spec.partitions, spec.cleanup, spec.retentionMs ?? -1);
    for (let partition = 0; partition < spec.partitions; partition++) {
      this.#db.exec(partitionDdl(id, partition));
      this.#db.prepare('insert into ends (topic_id, partition, next) values (?, ?, 0)').run(id, partition);
    }
  }
}
