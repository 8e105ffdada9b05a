import type { Checkpoint, Offset } from '../../../core/position.ts';
import { partitionKey } from '../../../core/position.ts';
import type { Row, Value } from '../../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewChange, ViewShape } from '../../../core/view.ts';
import { encodeArray } from '../row-json.ts';
import { fenced, gap } from '../store-errors.ts';
import type { Claim, Generation } from '../view-store.ts';
import type { CassandraConnection } from './cassandra-connection.ts';
import { cqlType, fromCql, quote, toCql } from './cassandra-values.ts';

export const tableOf = (keyspace: string, view: string, id: GenerationId): string =>
  `${quote(keyspace)}.${quote(`${view}_g${id}`)}`;

/** The view key is the partition key, so rows spread evenly and a lookup asks one node. */
export function tableDdl(keyspace: string, view: ViewShape, id: GenerationId): string {
  const columns = Object.entries(view.columns).map(([name, type]) => `${quote(name)} ${cqlType[type]}`);
  return `create table if not exists ${tableOf(keyspace, view.name, id)} (${columns.join(', ')}, "_partition" int, "_offset" bigint, primary key ((${view.key.map(quote).join(', ')})))`;
}

/**
 * The write time of what a record does, in Cassandra's order of writes: later offsets win, and so does a delete
 * over a write of the same offset. A replayed or delayed write therefore changes nothing, without being read.
 */
const writeTime = (offset: Offset): string => String(offset + 1);

export class CassandraGeneration implements Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly #db: CassandraConnection;
  readonly #table: string;
  readonly #names: readonly string[];
  readonly #where: string;
  readonly #upsert: string;
  readonly #remove: string;

  constructor(parts: { db: CassandraConnection; view: ViewShape; id: GenerationId }) {
    this.#db = parts.db;
    this.view = parts.view;
    this.id = parts.id;
    this.#table = tableOf(parts.db.keyspace, parts.view.name, parts.id);
    this.#names = Object.keys(parts.view.columns);
    this.#where = parts.view.key.map((name) => `${quote(name)} = ?`).join(' and ');
    // Every column is written, null included: a column that became null must lose its older value, and a null
    // that replaces nothing costs a cell tombstone, which compaction drops.
    this.#upsert = `insert into ${this.#table} (${this.#names.map(quote).join(', ')}, "_partition", "_offset") values (${this.#names.map(() => '?').join(', ')}, ?, ?) using timestamp ?`;
    this.#remove = `delete from ${this.#table} using timestamp ? where ${this.#where}`;
  }

  async checkpoint(): Promise<Checkpoint> {
    const { rows } = await this.#db.run(
      `select topic, partition, next from ${this.#meta('checkpoints')} where view_name = ? and generation = ?`,
      [this.view.name, this.id],
    );
    return new Map(rows.map((r) => [partitionKey(r.topic, r.partition), Number(r.next)]));
  }

  async claim(topic: string, partition: number): Promise<Claim> {
    for (;;) {
      const stored = await this.#stored(topic, partition);
      const epoch = (stored?.epoch ?? 0) + 1;
      const at = [this.view.name, this.id, topic, partition];
      const result = stored
        ? await this.#db.run(
            `update ${this.#meta('checkpoints')} set epoch = ? where view_name = ? and generation = ? and topic = ? and partition = ? if epoch = ?`,
            [epoch, ...at, stored.epoch],
          )
        : await this.#db.run(
            `insert into ${this.#meta('checkpoints')} (view_name, generation, topic, partition, next, epoch) values (?, ?, ?, ?, ?, ?) if not exists`,
            [...at, toCql(0n, 'bigint'), epoch],
          );
      if (result.wasApplied()) return { topic, partition, epoch, next: stored?.next ?? 0 };
    }
  }

  /**
   * Rows first, checkpoint last. The claim is looked at before, so that a fenced writer does no work, and decides
   * in the conditional update after; what a fenced writer wrote in between, the winner writes as well.
   */
  async apply(claim: Claim, batch: ViewBatch): Promise<void> {
    const stored = await this.#stored(batch.topic, batch.partition);
    if (!stored || stored.epoch !== claim.epoch) throw fenced(this.view, batch);
    if (batch.from > stored.next) throw gap(this.view, batch, stored.next);
    if (batch.next <= stored.next) return;
    let run = new Map<string, ViewChange>();
    for (const change of batch.changes) {
      if (change.offset < stored.next) continue;
      if (change.op === 'truncate') {
        await this.#write(run, batch.partition);
        run = new Map();
        await this.#truncate(batch.partition, change.offset);
      } else run.set(change.key.length === 1 ? String(change.key[0]) : encodeArray(change.key), change);
    }
    await this.#write(run, batch.partition);
    const moved = await this.#db.run(
      `update ${this.#meta('checkpoints')} set next = ? where view_name = ? and generation = ? and topic = ? and partition = ? if epoch = ?`,
      [
        toCql(BigInt(batch.next), 'bigint'),
        this.view.name,
        this.id,
        batch.topic,
        batch.partition,
        claim.epoch,
      ],
    );
    if (!moved.wasApplied()) throw fenced(this.view, batch);
  }

  async get(key: Key): Promise<Row | null> {
    const { rows } = await this.#db.run(
      `select ${this.#names.map(quote).join(', ')} from ${this.#table} where ${this.#where}`,
      this.#boundKey(key),
    );
    return rows[0] ? this.#row(rows[0] as unknown as Record<string, unknown>) : null;
  }

  async *scan(): AsyncGenerator<Row> {
    for await (const page of this.#db.pages(
      `select ${this.#names.map(quote).join(', ')} from ${this.#table}`,
    ))
      for (const row of page) yield this.#row(row as unknown as Record<string, unknown>);
  }

  async count(): Promise<number> {
    let count = 0;
    for await (const page of this.#db.pages(`select ${quote(this.view.key[0]!)} from ${this.#table}`))
      count += page.length;
    return count;
  }

  async #write(changes: ReadonlyMap<string, ViewChange>, partition: number): Promise<void> {
    const statements = [...changes.values()].map((change) => {
      if (change.op === 'upsert') {
        const values = this.#names.map((name) =>
          toCql((change.row[name] ?? null) as Value, this.view.columns[name]!),
        );
        return {
          query: this.#upsert,
          params: [...values, partition, toCql(BigInt(change.offset), 'bigint'), writeTime(change.offset)],
        };
      }
      return {
        query: this.#remove,
        params: [writeTime(change.offset), ...this.#boundKey(change.op === 'delete' ? change.key : [])],
      };
    });
    await this.#db.many(statements);
  }

  /** Deletes, as of the truncate, every row that an earlier record of the partition wrote. */
  async #truncate(partition: number, offset: Offset): Promise<void> {
    const key = this.view.key;
    for await (const page of this.#db.pages(
      `select ${key.map(quote).join(', ')}, "_partition", "_offset" from ${this.#table}`,
    )) {
      const mine = page.filter((row) => row._partition === partition && Number(row._offset) < offset);
      await this.#db.many(
        mine.map((row) => ({
          query: this.#remove,
          params: [writeTime(offset), ...key.map((name) => row[name])],
        })),
      );
    }
  }

  async #stored(topic: string, partition: number): Promise<{ next: Offset; epoch: number } | null> {
    const { rows } = await this.#db.run(
      `select next, epoch from ${this.#meta('checkpoints')} where view_name = ? and generation = ? and topic = ? and partition = ?`,
      [this.view.name, this.id, topic, partition],
      { consistency: 9 },
    );
    const row = rows[0];
    return row ? { next: Number(row.next), epoch: row.epoch as number } : null;
  }

  #meta(table: string): string {
    return `${quote(this.#db.keyspace)}."insideout_${table}"`;
  }

  #boundKey(key: Key): unknown[] {
    return key.map((value, i) => toCql(value, this.view.columns[this.view.key[i]!]!));
  }

  #row(raw: Record<string, unknown>): Row {
    const row: Record<string, Value> = {};
    for (const name of this.#names) row[name] = fromCql(raw[name], this.view.columns[name]!);
    return row;
  }
}
