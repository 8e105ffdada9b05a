import { setMaxListeners } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { dropsActive, gone, shapeText, wrongShape } from '../store-errors.ts';
import type { Generation, Promotion, ViewStore } from '../view-store.ts';
import { Checkpoints } from './sqlite-checkpoints.ts';
import { classifySqlite, closed, onceFree, openDatabase, shortestPauseMs } from './sqlite-database.ts';
import { dropped, firstSlice, markDropped, nextSlice, sliceOf } from './sqlite-drop.ts';
import { SqliteGeneration } from './sqlite-generation.ts';
import { scrubFile } from './sqlite-scrub.ts';
import { endIndexDdl, endsLater, sweepUntilAborted } from './sqlite-sweep.ts';
import { tableDdl, tableOf } from './sqlite-tables.ts';
import { quote } from './sqlite-values.ts';
import { Writers } from './sqlite-writers.ts';

export interface SqliteStoreOptions {
  /** The file; its folder is created. */
  readonly path: string;
  /** How long `scrub` waits for those who hold the file. Default 10,000 ms. */
  readonly patienceMs?: number | undefined;
  /** How often a writer removes the rows that have ended. Default 5,000 ms. */
  readonly sweepMs?: number | undefined;
  /** Default Date.now. Readers of the SQL view go by SQLite's own clock. */
  readonly now?: (() => number) | undefined;
}

/**
 * Views in a SQLite file. Each generation is a table `<view>__g<n>`; the active one is also a SQL VIEW with the
 * view's own name and only its declared columns, so `select * from customer_card` just works, and switches
 * atomically when another generation is promoted.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<ViewStore> {
  return new SqliteStore(openDatabase(options.path), options);
}

class SqliteStore implements ViewStore {
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #options: SqliteStoreOptions;
  readonly #closing = new AbortController();
  readonly #writers: Writers;
  readonly #checkpoints: Checkpoints;
  /** Generations whose ended rows this process removes. */
  readonly #swept = new Set<string>();

  constructor(db: Database.Database, options: SqliteStoreOptions) {
    this.#db = db;
    this.#path = options.path;
    this.#options = options;
    this.#writers = new Writers(db);
    this.#checkpoints = new Checkpoints(options.path);
    // Each sweep listens, and there may be as many as generations.
    setMaxListeners(0, this.#closing.signal);
  }

  async open(view: ViewShape, id: GenerationId): Promise<Generation> {
    while (this.#guard(() => this.#shape(view.name, id)) === dropped) await this.#finishDrop(view.name, id);
    return this.#guard(() => {
      this.#db.transaction(() => this.#create(view, id)).immediate();
      return this.#generation(view, id);
    });
  }

  async find(view: ViewShape, id: GenerationId): Promise<Generation | null> {
    return this.#guard(() =>
      // In one step with the look: its statements need the table.
      this.#db.transaction(() => {
        const shape = this.#shape(view.name, id);
        if (shape === undefined || shape === dropped) return null;
        if (shape !== shapeText(view)) throw wrongShape(view, id);
        return this.#generation(view, id);
      })(),
    );
  }

  async generations(view: string): Promise<GenerationId[]> {
    return this.#guard(() =>
      this.#db
        .prepare<[string], number>(
          'select generation from insideout_generations where view = ? order by generation',
        )
        .pluck()
        .all(view),
    );
  }

  async active(view: string): Promise<GenerationId | null> {
    return this.#guard(() => this.#active(view));
  }

  async promote(moves: readonly Promotion[]): Promise<boolean> {
    return this.#guard(() => this.#db.transaction(() => this.#promote(moves)).immediate());
  }

  async withdraw(view: string, id: GenerationId): Promise<void> {
    this.#guard(() =>
      this.#db
        .transaction(() => {
          if (this.#active(view) !== id) return;
          this.#db.prepare('delete from insideout_active where view = ?').run(view);
          this.#db.exec(`drop view if exists ${quote(view)}`);
        })
        .immediate(),
    );
  }

  async drop(view: string, id: GenerationId): Promise<void> {
    this.#guard(() =>
      this.#db
        .transaction(() => {
          if (this.#active(view) === id) throw dropsActive(view, id);
          markDropped(this.#db, view, id);
        })
        .immediate(),
    );
    await this.#finishDrop(view, id);
  }

  async check(): Promise<void> {
    await onceFree(this.#db, this.#path, () => {
      // Beginning is not enough: a file that can only be read takes that for the beginning of a reading.
      this.#db.transaction(() => this.#db.exec('delete from insideout_active where false')).immediate();
    });
  }

  async scrub(): Promise<string | null> {
    if (!this.#db.open) throw closed(this.#path);
    return scrubFile(this.#path, this.#options.patienceMs ?? 10_000);
  }

  files(): readonly string[] {
    return ['', '-wal', '-journal'].map((ending) => resolve(this.#path) + ending);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#checkpoints.close();
    this.#db.close();
  }

  async #finishDrop(view: string, id: GenerationId): Promise<void> {
    const slice = sliceOf(this.#db, view, id);
    for (let rows = firstSlice; ; ) {
      const began = performance.now();
      if (this.#guard(() => slice(rows))) return;
      const took = performance.now() - began;
      rows = nextSlice(rows, took);
      await wait(Math.max(shortestPauseMs, took));
    }
  }

  #generation(view: ViewShape, id: GenerationId): SqliteGeneration {
    return new SqliteGeneration({
      db: this.#db,
      path: this.#path,
      view,
      id,
      now: this.#options.now,
      writers: this.#writers,
      checkpoints: this.#checkpoints,
      claimed: () => this.#sweep(view, id),
    });
  }

  #sweep(view: ViewShape, id: GenerationId): void {
    const name = tableOf(view.name, id);
    if (!view.ttl || this.#swept.has(name)) return;
    this.#swept.add(name);
    const { now = Date.now, sweepMs: everyMs = 5_000 } = this.#options;
    const sweep = { db: this.#db, view, id, now, everyMs, signal: this.#closing.signal };
    void sweepUntilAborted(sweep).finally(() => this.#swept.delete(name));
  }

  #create(view: ViewShape, id: GenerationId): void {
    const shape = this.#shape(view.name, id);
    if (shape !== undefined) {
      if (shape !== shapeText(view)) throw wrongShape(view, id);
      return;
    }
    this.#db.exec(tableDdl(view, id));
    if (view.ttl) this.#db.exec(endIndexDdl(view, id));
    this.#db
      .prepare('insert into insideout_generations values (?, ?, ?)')
      .run(view.name, id, shapeText(view));
  }

  #shape(view: string, id: GenerationId): string | undefined {
    return this.#db
      .prepare<[string, number], string>(
        'select shape from insideout_generations where view = ? and generation = ?',
      )
      .pluck()
      .get(view, id);
  }

  #active(view: string): GenerationId | null {
    return (
      this.#db
        .prepare<[string], number>('select generation from insideout_active where view = ?')
        .pluck()
        .get(view) ?? null
    );
  }

  #promote(moves: readonly Promotion[]): boolean {
    if (moves.some((move) => this.#active(move.view.name) !== move.from)) return false;
    for (const { view, to } of moves) if (!this.#shape(view.name, to)) throw gone(view.name, to);
    for (const { view, to } of moves) {
      this.#db
        .prepare(
          'insert into insideout_active values (?, ?) on conflict do update set generation = excluded.generation',
        )
        .run(view.name, to);
      const columns = Object.keys(view.columns).map(quote).join(', ');
      this.#db.exec(`drop view if exists ${quote(view.name)}`);
      this.#db.exec(
        `create view ${quote(view.name)} as select ${columns} from ${tableOf(view.name, to)}${view.ttl ? ` where ${endsLater}` : ''}`,
      );
    }
    return true;
  }

  #guard<T>(work: () => T): T {
    if (!this.#db.open) throw closed(this.#path);
    try {
      return work();
    } catch (error) {
      throw classifySqlite(error, this.#path);
    }
  }
}
