import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { dropsActive, shapeText, wrongShape } from '../store-errors.ts';
import type { Generation, Promotion, ViewStore } from '../view-store.ts';
import { CassandraConnection, type CassandraStoreOptions } from './cassandra-connection.ts';
import { CassandraGeneration, tableDdl, tableOf } from './cassandra-generation.ts';
import { quote } from './cassandra-values.ts';

export type { CassandraStoreOptions } from './cassandra-connection.ts';

/**
 * Views in Cassandra: a table `<view>_g<n>` for each generation. `insideout_active` says which one is active; all
 * its rows are in one partition, so that one conditional batch can move several pointers.
 */
export async function openCassandraStore(options: CassandraStoreOptions): Promise<ViewStore> {
  const db = new CassandraConnection(options);
  try {
    const keyspace = quote(options.keyspace);
    await db.run(
      `create keyspace if not exists ${keyspace} with replication = {'class': 'SimpleStrategy', 'replication_factor': ${options.replicationFactor ?? 1}}`,
      [],
      ddl,
    );
    await db.run(
      `create table if not exists ${keyspace}."insideout_generations" (view_name text, generation int, shape text, primary key (view_name, generation))`,
      [],
      ddl,
    );
    await db.run(
      `create table if not exists ${keyspace}."insideout_checkpoints" (view_name text, generation int, topic text, partition int, next bigint, epoch int, primary key ((view_name, generation), topic, partition))`,
      [],
      ddl,
    );
    await db.run(
      `create table if not exists ${keyspace}."insideout_active" (pointers text, view_name text, generation int, primary key (pointers, view_name))`,
      [],
      ddl,
    );
    return new CassandraStore(db);
  } catch (error) {
    await db.close();
    throw error;
  }
}

const ddl = { prepare: false };
/** The partition key of all pointers. */
const pointers = 'pointers';

class CassandraStore implements ViewStore {
  readonly #db: CassandraConnection;

  constructor(db: CassandraConnection) {
    this.#db = db;
  }

  async open(view: ViewShape, id: GenerationId): Promise<Generation> {
    await this.#db.run(tableDdl(this.#db.keyspace, view, id), [], ddl);
    const created = await this.#db.run(
      `insert into ${this.#meta('generations')} (view_name, generation, shape) values (?, ?, ?) if not exists`,
      [view.name, id, shapeText(view)],
    );
    if (!created.wasApplied() && created.first()?.shape !== shapeText(view)) throw wrongShape(view, id);
    return new CassandraGeneration({ db: this.#db, view, id });
  }

  async generations(view: string): Promise<GenerationId[]> {
    const { rows } = await this.#db.run(
      `select generation from ${this.#meta('generations')} where view_name = ?`,
      [view],
    );
    return rows.map((row) => row.generation as number);
  }

  async active(view: string): Promise<GenerationId | null> {
    const result = await this.#db.run(
      `select generation from ${this.#meta('active')} where pointers = ? and view_name = ?`,
      [pointers, view],
      { consistency: 9 },
    );
    return (result.first()?.generation as number | undefined) ?? null;
  }

  async promote(moves: readonly Promotion[]): Promise<boolean> {
    const statements = moves.map(({ view, from, to }) =>
      from === null
        ? {
            query: `insert into ${this.#meta('active')} (pointers, view_name, generation) values (?, ?, ?) if not exists`,
            params: [pointers, view.name, to],
          }
        : {
            query: `update ${this.#meta('active')} set generation = ? where pointers = ? and view_name = ? if generation = ?`,
            params: [to, pointers, view.name, from],
          },
    );
    return this.#db.conditional(statements);
  }

  async drop(view: string, id: GenerationId): Promise<void> {
    if ((await this.active(view)) === id) throw dropsActive(view, id);
    await this.#db.run(`drop table if exists ${tableOf(this.#db.keyspace, view, id)}`, [], ddl);
    await this.#db.run(`delete from ${this.#meta('checkpoints')} where view_name = ? and generation = ?`, [
      view,
      id,
    ]);
    await this.#db.run(
      `delete from ${this.#meta('generations')} where view_name = ? and generation = ? if exists`,
      [view, id],
    );
  }

  async ping(): Promise<void> {
    await this.#db.run('select key from system.local', []);
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  #meta(table: string): string {
    return `${quote(this.#db.keyspace)}."insideout_${table}"`;
  }
}
