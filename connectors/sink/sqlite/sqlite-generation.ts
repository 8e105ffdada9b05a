import { setTimeout as wait } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { Checkpoint } from '../../../core/position.ts';
import { partitionKey } from '../../../core/position.ts';
import type { Row, Value } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewChange, ViewShape } from '../../../core/view.ts';
import { type Expiry, expiryOf } from '../expiry.ts';
import { fenced, gap, gone } from '../store-errors.ts';
import type { Claim, Generation } from '../view-store.ts';
import type { Checkpoints } from './sqlite-checkpoints.ts';
import { classifySqlite, closed, durably, onceFree, shortestPauseMs } from './sqlite-database.ts';
import { living, prepare, type Statements, tableOf } from './sqlite-tables.ts';
import { fromSqlite, quote, type ToSqlite, toSqlite } from './sqlite-values.ts';
import type { Writers } from './sqlite-writers.ts';

/** They take three milliseconds or so. */
const rowsBetweenTurns = 500;

/** Others write between two steps of an erasure. */
const erasedAtOnce = 500;

export interface SqliteGenerationParts {
  readonly db: Database.Database;
  readonly path: string;
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly now: (() => number) | undefined;
  readonly writers: Writers;
  readonly checkpoints: Checkpoints;
  /** Called when a partition was claimed: who writes also removes what has ended. */
  readonly claimed: () => void;
}

export class SqliteGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #writers: Writers;
  readonly #checkpoints: Checkpoints;
  readonly #sql: Statements;
  readonly #claimed: () => void;
  readonly #expiry: Expiry | null;
  readonly #names: readonly string[];
  readonly #binders: readonly ToSqlite[];
  readonly #keyBinders: readonly ToSqlite[];
  readonly #apply: (claim: Claim, batch: ViewBatch) => void;
  /** Parameters of the rows that wait for their statement, and how many there are. */
  readonly #values: unknown[];
  #filled = 0;

  constructor(parts: SqliteGenerationParts) {
    const { db, view, id } = parts;
    this.#db = db;
    this.#path = parts.path;
    this.#writers = parts.writers;
    this.#checkpoints = parts.checkpoints;
    this.view = view;
    this.id = id;
    this.#claimed = parts.claimed;
    this.#expiry = expiryOf(view, parts.now);
    this.#names = Object.keys(view.columns);
    this.#binders = this.#names.map((name) => toSqlite[view.columns[name]!]);
    this.#keyBinders = view.key.map((name) => toSqlite[view.columns[name]!]);
    this.#sql = prepare(db, view, id);
    this.#values = new Array(this.#sql.rowsAtOnce * (this.#names.length + (this.#expiry ? 2 : 1)));
    const transaction = db.transaction((claim: Claim, batch: ViewBatch) => {
      this.#filled = 0;
      this.#write(claim, batch);
    });
    this.#apply = (claim, batch) => transaction.immediate(claim, batch);
  }

  step(): number | null {
    return this.#writers.others(this.view.name, this.id) ? rowsBetweenTurns : null;
  }

  async checkpoint(): Promise<Checkpoint> {
    const rows = this.#guard(() =>
      this.#db
        .prepare<[string, number], { topic: string; partition: number; next: number }>(
          'select topic, partition, next from insideout_checkpoints where view = ? and generation = ?',
        )
        .all(this.view.name, this.id),
    );
    return new Map(rows.map((r) => [partitionKey(r.topic, r.partition), r.next]));
  }

  async claim(topic: string, partition: number): Promise<Claim> {
    const claim = this.#guard(() => {
      const row = this.#db
        .prepare<[string, number, string, number], { next: number; epoch: number }>(
          // Nobody claims what is being dropped: its checkpoint would outlive it.
          `insert into insideout_checkpoints select view, generation, ?, ?, 0, 1 from insideout_generations
           where view = ? and generation = ? and shape <> ''
           on conflict do update set epoch = epoch + 1 returning next, epoch`,
        )
        .get(topic, partition, this.view.name, this.id);
      if (!row) throw gone(this.view.name, this.id);
      return { topic, partition, ...row };
    });
    this.#claimed();
    return claim;
  }

  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    await onceFree(this.#db, this.#path, () => this.#apply(claim, batch));
    this.#writers.wrote(this.view.name, this.id);
    this.#checkpoints.wrote(batch.changes.length);
  }

  async erase(keys: readonly Key[]): Promise<void> {
    const remove = (some: readonly Key[]) => {
      for (const key of some) this.#remove(key);
    };
    for (let from = 0; from < keys.length; from += erasedAtOnce) {
      this.#guard(() => durably(this.#db, () => remove(keys.slice(from, from + erasedAtOnce))));
      await wait(shortestPauseMs);
    }
  }

  async get(key: Key): Promise<Row | null> {
    return this.#find(key);
  }

  async getMany(keys: readonly Key[]): Promise<(Row | null)[]> {
    return keys.map((key) => this.#find(key));
  }

  async *scan(): AsyncGenerator<Row> {
    // A page at a time: an open cursor would hold the file's write-ahead log.
    const key = this.view.key.map(quote);
    const columns = this.#names.map(quote).join(', ');
    const table = tableOf(this.view.name, this.id);
    const after = `(${key.join(', ')}) > (${key.map(() => '?').join(', ')})`;
    const order = `order by ${key.join(', ')} limit 1000`;
    const { first, following } = this.#guard(() => ({
      first: this.#db.prepare(`select ${columns} from ${table} ${living(this.view)} ${order}`).safeIntegers(),
      following: this.#db
        .prepare(`select ${columns} from ${table} ${living(this.view, after)} ${order}`)
        .safeIntegers(),
    }));
    let page = this.#guard(() => first.all(...this.#now())) as Record<string, unknown>[];
    while (page.length > 0) {
      for (const row of page) yield this.#row(row);
      const last = page.at(-1)!;
      page = this.#guard(() =>
        following.all(...this.view.key.map((name) => last[name]), ...this.#now()),
      ) as Record<string, unknown>[];
    }
  }

  async count(): Promise<number> {
    return this.#guard(() =>
      this.#db
        .prepare<number[], number>(
          `select count(*) from ${tableOf(this.view.name, this.id)} ${living(this.view)}`,
        )
        .pluck()
        .get(...this.#now()),
    )!;
  }

  #write(claim: Claim, batch: ViewBatch): void {
    const { view, id } = this;
    const stored = this.#sql.stored.get(view.name, id, batch.topic, batch.partition);
    if (!stored || stored.epoch !== claim.epoch) throw fenced(view, batch);
    if (batch.from > stored.next) throw gap(view, batch, stored.next);
    if (batch.next <= stored.next) return;
    const { changes } = batch;
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i]!;
      if (change.offset < stored.next) continue;
      if (change.op === 'upsert') this.#upsert(change, batch.partition);
      else {
        this.#flush();
        if (change.op === 'delete') this.#remove(change.key);
        else this.#sql.truncate.run(batch.partition);
      }
    }
    this.#flush();
    this.#sql.move.run(batch.next, view.name, id, batch.topic, batch.partition);
  }

  /** Keeps the row until there are enough for one statement. */
  #upsert({ key, row }: Extract<ViewChange, { op: 'upsert' }>, partition: number): void {
    const names = this.#names;
    const values = this.#values;
    let at = this.#filled;
    for (let i = 0; i < names.length; i++)
      values[at++] = this.#binders[i]!((row[names[i]!] ?? null) as Value);
    values[at++] = partition;
    if (this.#expiry) {
      const end = this.#expiry.end(row);
      if (this.#expiry.ended(end)) {
        this.#flush();
        this.#remove(key);
        return;
      }
      values[at++] = end;
    }
    this.#filled = at;
    if (at < values.length) return;
    this.#filled = 0;
    // Taken one by one, better-sqlite3 binds them in two thirds of the time that an array takes.
    this.#sql.upsertMany.run(...values);
  }

  /** Writes the rows that are kept, in their order, before anything else is done to the table. */
  #flush(): void {
    const width = this.#values.length / this.#sql.rowsAtOnce;
    const filled = this.#filled;
    this.#filled = 0;
    for (let at = 0; at < filled; at += width) this.#sql.upsert.run(this.#values.slice(at, at + width));
  }

  #remove(key: Key): void {
    this.#sql.remove.run(key.map((value, i) => this.#keyBinders[i]!(value)));
  }

  #find(key: Key): Row | null {
    const bound = key.map((value, i) => this.#keyBinders[i]!(value));
    const row = this.#guard(() => this.#sql.get.get(...bound, ...this.#now())) as
      | Record<string, unknown>
      | undefined;
    return row ? this.#row(row) : null;
  }

  /** The last parameter of `living`. */
  #now(): number[] {
    return this.#expiry ? [this.#expiry.now()] : [];
  }

  #row(raw: Record<string, unknown>): Row {
    const row: Record<string, Value> = {};
    for (const name of this.#names) row[name] = fromSqlite(raw[name], this.view.columns[name]!);
    return row;
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
