import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { dropsActive, gone, shapeText, wrongShape } from '../store-errors.ts';
import type { Generation, Promotion, ViewStore } from '../view-store.ts';
import { type BundleLimits, belowWarnings } from './cassandra-bundles.ts';
import { CassandraClaims } from './cassandra-claims.ts';
import { CassandraConnection, type CassandraOptions } from './cassandra-connection.ts';
import { CassandraGeneration } from './cassandra-generation.ts';
import { remainder } from './cassandra-remainder.ts';
import { createSchema, rowsDefinition, type Tables } from './cassandra-schema.ts';

export type { CassandraOptions } from './cassandra-connection.ts';

/** The one Cassandra partition that holds the pointers of a keyspace. */
const pointers = 'active';

/**
 * Views in Cassandra (4.0 and later): a table `<view>_g<generation>` for each generation, keyed by the view key.
 *
 * The keyspace is created when it is missing, with SimpleStrategy and `replicationFactor` (default 1); create it
 * yourself for anything else. Rows are written and read at LOCAL_QUORUM, claims, checkpoints and pointers by
 * lightweight transactions at SERIAL. A batch is not atomic for readers: they may see some of its rows before the
 * others, never a row that is older than one they saw. `gc_grace_seconds` must be longer than any writer can be
 * cut off with a batch in flight (default: ten days).
 */
export async function openCassandraStore(options: CassandraOptions): Promise<ViewStore> {
  const connection = new CassandraConnection(options);
  try {
    await connection.connect();
    return new CassandraStore(connection, await createSchema(connection, options), options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class CassandraStore implements ViewStore {
  readonly #connection: CassandraConnection;
  readonly #tables: Tables;
  readonly #now: (() => number) | undefined;
  readonly #limits: BundleLimits;

  constructor(connection: CassandraConnection, tables: Tables, options: CassandraOptions) {
    this.#now = options.now;
    this.#limits = {
      rows: options.batchRows ?? belowWarnings.rows,
      bytes: options.batchBytes ?? belowWarnings.bytes,
    };
    this.#connection = connection;
    this.#tables = tables;
  }

  async open(view: ViewShape, id: GenerationId): Promise<Generation> {
    const { generations } = this.#tables;
    const shape = shapeText(view);
    const key = [view.name, BigInt(id)];
    const entry = await this.#connection.compareAndSet(
      `INSERT INTO ${generations} (view_name, generation, shape) VALUES (?, ?, ?) IF NOT EXISTS`,
      [...key, shape],
    );
    const known = entry.wasApplied() ? { shape, ready: null } : entry.first();
    if (known.ready === false) {
      await this.#finishDrop(view.name, id);
      return this.open(view, id);
    }
    if (known.shape !== shape) throw wrongShape(view, id);
    if (known.ready !== true) {
      await this.#connection.runPlain(rowsDefinition(this.#tables.rows(view.name, id), view));
      await this.#connection.compareAndSet(
        `UPDATE ${generations} SET ready = true WHERE view_name = ? AND generation = ? IF ready = null AND shape = ?`,
        [...key, shape],
      );
    }
    return this.#generation(view, id);
  }

  async find(view: ViewShape, id: GenerationId): Promise<Generation | null> {
    const found = await this.#connection.readSerial(
      `SELECT shape, ready FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ?`,
      [view.name, BigInt(id)],
    );
    const known = found.first();
    if (known?.ready !== true) return null;
    if (known.shape !== shapeText(view)) throw wrongShape(view, id);
    return this.#generation(view, id);
  }

  async generations(view: string): Promise<GenerationId[]> {
    const found = await this.#connection.readSerial(
      `SELECT generation FROM ${this.#tables.generations} WHERE view_name = ?`,
      [view],
    );
    return found.rows.map((row) => Number(row.generation));
  }

  async active(view: string): Promise<GenerationId | null> {
    const found = await this.#connection.readSerial(
      `SELECT generation FROM ${this.#tables.active} WHERE pointers = ? AND view_name = ?`,
      [pointers, view],
    );
    const id: unknown = found.first()?.generation;
    return id === null || id === undefined ? null : Number(id);
  }

  async promote(moves: readonly Promotion[]): Promise<boolean> {
    if (moves.length === 0) return true;
    for (const { view, to } of moves) {
      if ((await this.#readiness(view.name, to)) === true) continue;
      const active = await Promise.all(moves.map((move) => this.active(move.view.name)));
      if (moves.some((move, i) => move.from !== active[i])) return false;
      throw gone(view.name, to);
    }
    const query = `UPDATE ${this.#tables.active} SET generation = ? WHERE pointers = ? AND view_name = ? IF generation = ?`;
    const moved = await this.#connection.compareAndSetAll(
      moves.map(({ view, from, to }) => ({
        query,
        params: [BigInt(to), pointers, view.name, from === null ? null : BigInt(from)],
      })),
    );
    return moved.wasApplied();
  }

  async withdraw(view: string, id: GenerationId): Promise<void> {
    await this.#connection.compareAndSet(
      `UPDATE ${this.#tables.active} SET generation = null WHERE pointers = ? AND view_name = ? IF generation = ?`,
      [pointers, view, BigInt(id)],
    );
  }

  async drop(view: string, id: GenerationId): Promise<void> {
    if ((await this.active(view)) === id) throw dropsActive(view, id);
    const { generations } = this.#tables;
    // No more claims from here on, and whoever opens it again finishes the drop first.
    const marked = await this.#connection.compareAndSet(
      `UPDATE ${generations} SET ready = false WHERE view_name = ? AND generation = ? IF EXISTS`,
      [view, BigInt(id)],
    );
    if (marked.wasApplied()) await this.#finishDrop(view, id);
  }

  async check(): Promise<void> {
    // No view has a name with a space, so there is nothing to delete; the right to do it is asked for all the same.
    await this.#connection.compareAndSet(
      `DELETE FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ? IF EXISTS`,
      ['no view', 0n],
    );
  }

  scrub(): Promise<string | null> {
    return remainder(this.#connection, this.#tables.keyspace, this.#now);
  }

  files(): readonly string[] {
    return [];
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #generation(view: ViewShape, id: GenerationId): CassandraGeneration {
    return new CassandraGeneration({
      connection: this.#connection,
      tables: this.#tables,
      view,
      id,
      now: this.#now,
      limits: this.#limits,
    });
  }

  /** The generation is marked. Its entry goes last: until then a crash leaves what can be found and dropped again. */
  async #finishDrop(view: string, id: GenerationId): Promise<void> {
    const claims = new CassandraClaims({ connection: this.#connection, tables: this.#tables, view, id });
    await claims.remove();
    // Another process may have finished meanwhile, and the number have been opened anew.
    if ((await this.#readiness(view, id)) !== false) return;
    await this.#connection.runPlain(`DROP TABLE IF EXISTS ${this.#tables.rows(view, id)}`);
    await claims.remove();
    await this.#connection.compareAndSet(
      `DELETE FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ? IF ready = false`,
      [view, BigInt(id)],
    );
  }

  /** Null while it is being created, false while it is being dropped, undefined when there is none. */
  async #readiness(view: string, id: GenerationId): Promise<boolean | null | undefined> {
    const found = await this.#connection.readSerial(
      `SELECT ready FROM ${this.#tables.generations} WHERE view_name = ? AND generation = ?`,
      [view, BigInt(id)],
    );
    return found.first()?.ready as boolean | null | undefined;
  }
}
