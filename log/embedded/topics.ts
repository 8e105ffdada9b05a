import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { TopicSpec } from '../log.ts';
import { partitionDdl } from './database.ts';

export interface Topic {
  readonly id: number;
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'compact' | 'delete';
  readonly retentionMs: number;
}

/** The topics of the file; other processes may add some, so a miss looks again. */
export class Topics {
  readonly #db: Database.Database;
  readonly #known = new Map<string, Topic>();

  constructor(db: Database.Database) {
    this.#db = db;
  }

  find(name: string): Topic | null {
    const known = this.#known.get(name);
    if (known) return known;
    const topic = this.#db
      .prepare<[string], Topic>(
        'select id, name, partitions, cleanup, retention_ms as retentionMs from topics where name = ?',
      )
      .get(name);
    if (topic) this.#known.set(name, topic);
    return topic ?? null;
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

  #ensure(spec: TopicSpec): void {
    const existing = this.find(spec.name);
    if (existing) {
      if (existing.partitions === spec.partitions) return;
      throw new InsideoutError(
        'LOG_TOPIC',
        `The topic "${spec.name}" has ${existing.partitions} partitions, not ${spec.partitions}.`,
        {
          hint: `Set partitions to ${existing.partitions}: changing the number would move keys between partitions.`,
        },
      );
    }
    const { lastInsertRowid } = this.#db
      .prepare('insert into topics (name, partitions, cleanup, retention_ms) values (?, ?, ?, ?)')
      .run(spec.name, spec.partitions, spec.cleanup, spec.retentionMs ?? -1);
    const id = Number(lastInsertRowid);
    for (let partition = 0; partition < spec.partitions; partition++) {
      this.#db.exec(partitionDdl(id, partition));
      this.#db.prepare('insert into ends (topic_id, partition, next) values (?, ?, 0)').run(id, partition);
    }
  }
}
