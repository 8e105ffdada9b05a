import type { types } from 'cassandra-driver';
import type { InsideoutError } from '../../../core/errors.ts';
import type { Checkpoint, Offset } from '../../../core/position.ts';
import type { Row, Value } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewShape } from '../../../core/view.ts';
import { type Expiry, expiryOf } from '../expiry.ts';
import { fenced, gap } from '../store-errors.ts';
import type { Claim, Generation } from '../view-store.ts';
import { type BundleLimits, bundles } from './cassandra-bundles.ts';
import { CassandraClaims } from './cassandra-claims.ts';
import type { CassandraConnection } from './cassandra-connection.ts';
import { blamesStatement, classifyCassandra, lostStatement, unstorable } from './cassandra-errors.ts';
import { planBatch, type RowChange } from './cassandra-plan.ts';
import type { Tables } from './cassandra-schema.ts';
import { type Statement, type Statements, statementsOf } from './cassandra-statements.ts';
import { writeTime } from './cassandra-timestamps.ts';
import { fromCql } from './cassandra-values.ts';
import { windowed } from './windowed.ts';

/** Rows in flight: enough to keep a node busy, few enough to stay below its write timeout. */
const width = 256;
const scanPage = 500;
const keyPage = 5_000;

/** A table of rows. Rows are written first and the checkpoint last, so a crash repeats rows and never skips any. */
export class CassandraGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #connection: CassandraConnection;
  readonly #statements: Statements;
  readonly #expiry: Expiry | null;
  readonly #claims: CassandraClaims;
  readonly #limits: BundleLimits;

  constructor(parts: {
    connection: CassandraConnection;
    tables: Tables;
    view: ViewShape;
    id: GenerationId;
    now: (() => number) | undefined;
    limits: BundleLimits;
  }) {
    this.view = parts.view;
    this.id = parts.id;
    this.#connection = parts.connection;
    this.#limits = parts.limits;
    this.#expiry = expiryOf(parts.view, parts.now);
    this.#statements = statementsOf(parts.tables.rows(parts.view.name, parts.id), parts.view, this.#expiry);
    this.#claims = new CassandraClaims({ ...parts, view: parts.view.name });
  }

  step(): null {
    return null;
  }

  checkpoint(): Promise<Checkpoint> {
    return this.#claims.checkpoint();
  }

  claim(topic: string, partition: number): Promise<Claim> {
    return this.#claims.claim({ topic, partition });
  }

  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    const stored = await this.#verify(claim, batch);
    if (batch.from > stored) throw gap(this.view, batch, stored);
    if (batch.next <= stored) return;
    const plan = planBatch(batch.changes, stored);
    const { rows } = this.#limits;
    try {
      await windowed(bundles(plan.rows, this.#limits), Math.ceil(width / rows), (bundle) =>
        this.#writeAll(bundle, batch.partition),
      );
      if (plan.truncate !== null) await this.#sweep(batch.partition, plan.truncate);
    } catch (error) {
      throw await this.#explain(error, claim, batch);
    }
    if (!(await this.#claims.advance(claim, stored, batch.next))) throw fenced(this.view, batch);
  }

  /** At a row's own write time, where a delete wins over the row and anything later wins over the delete. */
  async erase(keys: readonly Key[]): Promise<void> {
    await windowed(keys, width, async (key) => {
      const found = await this.#connection.run(this.#statements.written, this.#statements.key(key));
      const written = found.first()?.written as bigint | null | undefined;
      if (written === null || written === undefined) return;
      const { query, params } = this.#statements.remove(key, written);
      await this.#connection.run(query, params);
    });
  }

  async get(key: Key): Promise<Row | null> {
    const found = (await this.#connection.run(this.#statements.get, this.#statements.key(key))).first();
    const row = found ? fromCql(found, this.view.columns) : null;
    return row && this.#ended(row) ? null : row;
  }

  async getMany(keys: readonly Key[]): Promise<(Row | null)[]> {
    const rows: (Row | null)[] = new Array(keys.length).fill(null);
    await windowed(keys.entries(), width, async ([i, key]) => {
      rows[i] = await this.get(key);
    });
    return rows;
  }

  async *scan(): AsyncGenerator<Row> {
    for await (const page of this.#connection.pages(this.#statements.scan, scanPage))
      for (const stored of page) {
        const row = fromCql(stored, this.view.columns);
        if (!this.#ended(row)) yield row;
      }
  }

  async count(): Promise<number> {
    let count = 0;
    const { ends, keys } = this.#statements;
    for await (const page of this.#connection.pages(ends ?? keys, keyPage))
      count += ends === null ? page.length : page.filter((row) => !this.#ended(row)).length;
    return count;
  }

  /** Cassandra counts seconds, and by its own clock. */
  #ended(row: { readonly [column: string]: Value }): boolean {
    return this.#expiry?.ended(this.#expiry.end(row)) ?? false;
  }

  async #verify(claim: Claim, batch: ViewBatch): Promise<Offset> {
    const state = await this.#claims.read(batch);
    if (state?.epoch !== claim.epoch) throw fenced(this.view, batch);
    return state.next;
  }

  /** Rows of one bundle travel together: each is whole or not there, the bundle as such need not be. */
  #writeAll(bundle: readonly RowChange[], partition: number): Promise<types.ResultSet> {
    const [only] = bundle;
    if (bundle.length === 1 && only) return this.#write(only, partition);
    const statements: Statement[] = [];
    for (const change of bundle) statements.push(...this.#statements.parts(change, partition));
    return this.#connection.runTogether(statements);
  }

  #write(change: RowChange, partition: number): Promise<types.ResultSet> {
    const { query, params } = this.#statements.write(change, partition);
    return this.#connection.runRaw(query, params);
  }

  /** Deletes the partition's rows that are older than the truncate, at the truncate's time. */
  async #sweep(partition: number, truncate: Offset): Promise<void> {
    const at = writeTime(truncate);
    for await (const page of this.#connection.pages(this.#statements.keys, keyPage)) {
      const old = page.filter((row) => row.partition === partition && (row.written as bigint) < at);
      await windowed(old, width, (row) => {
        const key = fromCql(row, this.#keyColumns);
        return this.#write({ op: 'delete', offset: truncate, key: Object.values(key) as Value[] }, partition);
      });
    }
  }

  get #keyColumns(): Record<string, ViewShape['columns'][string]> {
    return Object.fromEntries(this.view.key.map((name, i) => [`k${i}`, this.view.columns[name]!]));
  }

  /**
   * "Invalid" may mean a row that can never be stored, and also that the table is gone. Only the former may be
   * put on one record, or a dropped table would send every record to the dead letters.
   */
  async #explain(error: unknown, claim: Claim, batch: ViewBatch): Promise<InsideoutError> {
    const { where } = this.#connection;
    const blamed = blamesStatement(error);
    if (!blamed && !lostStatement(error)) return classifyCassandra(error, where);
    try {
      await this.#verify(claim, batch);
      await this.#connection.runPlain(this.#statements.probe);
    } catch (reason) {
      return classifyCassandra(reason, where);
    }
    return blamed ? unstorable(this.view.name) : classifyCassandra(error, where);
  }
}
