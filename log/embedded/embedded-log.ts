import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import { closed } from '../closed.ts';
import type {
  CompactOptions,
  ConsumeRequest,
  FencedWriter,
  Log,
  LogRecord,
  RecordBatch,
  TopicSpec,
} from '../log.ts';
import { Appender, type AppenderParts } from './appender.ts';
import { clean, deleteRetentionMs } from './compaction.ts';
import { consume } from './consumer.ts';
import { classifySqlite, openDatabase, partitionTable } from './database.ts';
import { removeDropped } from './dropping.ts';
import { openFencedWriter } from './fenced-writer.ts';
import { compactNow } from './forced-compaction.ts';
import { Janitor } from './janitor.ts';
import { RecordWriter } from './record-writer.ts';
import { EmbeddedSchemas } from './schemas.ts';
import { Topics } from './topics.ts';
import { Watcher } from './watcher.ts';

export interface EmbeddedLogOptions {
  /** The file; its folder is created. A relative path counts from the working directory. */
  readonly path: string;
  /** How often a topic is looked at for cleaning, milliseconds. Default: a minute. */
  readonly cleanEveryMs?: number | undefined;
}

/** The Log as one SQLite file, for one machine: several processes may read and write it at the same time. */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  return new EmbeddedLog(options);
}

export class EmbeddedLog implements Log {
  readonly schemas: EmbeddedSchemas;
  readonly #path: string;
  readonly #db: Database.Database;
  readonly #topics: Topics;
  readonly #parts: AppenderParts;
  readonly #appender: Appender;
  readonly #watcher: Watcher;
  readonly #janitor: Janitor;

  constructor(options: EmbeddedLogOptions) {
    this.#path = options.path;
    this.#db = openDatabase(options.path);
    this.#topics = new Topics(this.#db);
    this.#watcher = new Watcher(this.#db);
    this.#janitor = new Janitor({
      db: this.#db,
      topics: this.#topics,
      everyMs: options.cleanEveryMs ?? 60_000,
    });
    this.schemas = new EmbeddedSchemas(this.#db);
    this.#parts = {
      db: this.#db,
      writer: new RecordWriter(this.#db, this.#topics),
      path: options.path,
      appended: () => this.#watcher.wake(),
    };
    this.#appender = new Appender(this.#parts);
  }

  async ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    this.#guard(() => this.#topics.ensure(topics));
  }

  async checkTopics(topics: readonly TopicSpec[]): Promise<void> {
    this.#guard(() => this.#topics.check(topics));
  }

  async partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const name of topics) {
      const topic = this.#guard(() => this.#topics.find(name));
      if (topic) found.set(name, topic.partitions);
    }
    return found;
  }

  async topics(): Promise<string[]> {
    return this.#guard(() => this.#topics.all().map((t) => t.name));
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    this.#guard(() => this.#topics.remove(names));
    this.#watcher.wake();
    try {
      await removeDropped(this.#db);
    } catch (error) {
      throw classifySqlite(error, this.#path);
    }
  }

  async fencedWriter(id: string): Promise<FencedWriter> {
    return this.#guard(() => openFencedWriter(this.#parts, id));
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (!this.#db.open) return Promise.reject(closed());
    return this.#appender.append(records);
  }

  async recover(): Promise<void> {
    this.#appender.recover();
  }

  async *consume(request: ConsumeRequest): AsyncGenerator<RecordBatch> {
    const parts = {
      db: this.#db,
      topics: this.#topics,
      changed: (ms: number, signal: AbortSignal) => this.#watcher.changed(ms, signal),
    };
    try {
      yield* consume(parts, request);
    } catch (error) {
      throw error instanceof InsideoutError || !isSqlite(error) ? error : classifySqlite(error, this.#path);
    }
  }

  async offsets(topics: readonly string[]): Promise<ReadonlyMap<string, { first: Offset; end: Offset }>> {
    const offsets = new Map<string, { first: Offset; end: Offset }>();
    this.#guard(() => {
      for (const name of topics) {
        const topic = this.#topics.find(name);
        if (!topic) continue;
        const ends = this.#db
          .prepare<[number], { partition: number; next: number }>(
            'select partition, next from ends where topic_id = ?',
          )
          .all(topic.id);
        for (const { partition, next } of ends) {
          const first = this.#db
            .prepare<[], number | null>(`select min(offset) from ${partitionTable(topic.id, partition)}`)
            .pluck()
            .get();
          offsets.set(`${name}/${partition}`, { first: first ?? next, end: next });
        }
      }
    });
    return offsets;
  }

  async compact(topics: readonly string[], options: CompactOptions): Promise<void> {
    if (!this.#db.open) throw closed();
    try {
      await compactNow({ db: this.#db, topics: this.#topics, path: this.#path }, topics, options);
    } catch (error) {
      options.signal.throwIfAborted();
      throw classifySqlite(error, this.#path);
    }
  }

  async tombstoneRetention(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = this.#guard(() => topics.map((name) => this.#topics.find(name)));
    return new Map(
      found.flatMap((topic) =>
        topic?.cleanup === 'compact' ? [[topic.name, deleteRetentionMs] as const] : [],
      ),
    );
  }

  /** Cleans a topic as its `cleanup` says; returns how many records went. */
  async clean(topic: string, options: { now?: number; deleteRetentionMs?: number } = {}): Promise<number> {
    return this.#guard(() => clean(this.#db, this.#topics.get(topic), { now: Date.now(), ...options }));
  }

  async close(): Promise<void> {
    if (!this.#db.open) return;
    this.#appender.flush();
    this.#janitor.close();
    this.#watcher.close();
    this.#db.close();
  }

  #guard<T>(work: () => T): T {
    if (!this.#db.open) throw closed();
    try {
      return work();
    } catch (error) {
      throw classifySqlite(error, this.#path);
    }
  }
}

const isSqlite = (error: unknown): boolean =>
  String((error as { code?: unknown } | null)?.code ?? '').startsWith('SQLITE_');
