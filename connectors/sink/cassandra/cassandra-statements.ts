import type { Row } from '../../../core/value.ts';
import type { Key, ViewShape } from '../../../core/view.ts';
import type { Expiry } from '../expiry.ts';
import type { RowChange } from './cassandra-plan.ts';
import { partitionColumn, quote } from './cassandra-schema.ts';
import { clearTime, writeTime } from './cassandra-timestamps.ts';
import { toCql } from './cassandra-values.ts';

/** As the driver takes it in a batch. */
export interface Statement {
  readonly query: string;
  readonly params: unknown[];
}

/**
 * Cassandra refuses lives that end later, as its deletion times were signed 32-bit seconds up to version 4:
 * https://cassandra.apache.org/doc/latest/cassandra/developing/cql/dml.html#ttl
 */
const lastEnd = Date.UTC(2038, 0, 19);

/** A TTL; 0 stands for none. Rounded up: what reads the rows knows their ends to the millisecond. */
const secondsLeft = (end: number | null, now: number): number =>
  end === null || end >= lastEnd ? 0 : Math.max(1, Math.ceil((end - now) / 1000));

/** The statements on one generation's table, with the parameters in the order of their texts. */
export interface Statements {
  readonly get: string;
  readonly scan: string;
  /** The keys with `partition` and `written`, the write time of the row. */
  readonly keys: string;
  /** The column that ends the rows, of all of them; null when they do not end. */
  readonly ends: string | null;
  /** `written`, the write time of the row with a key. */
  readonly written: string;
  /** Fails when the table is gone. */
  readonly probe: string;
  key(key: Key): unknown[];
  write(change: RowChange, partition: number): Statement;
  /** The same as statements that may stand among others in a batch. */
  parts(change: RowChange, partition: number): readonly Statement[];
  /** Deletes what was written at that time or before. */
  remove(key: Key, written: bigint): Statement;
}

/**
 * An upsert replaces the whole row. When no column is null, its cells cover every older one, and a plain INSERT
 * does. Otherwise the row is cleared first, a tick below the write, in the same mutation: an older value of a null
 * column must go. Writing the nulls instead would leave a cell tombstone for each, and those slow scans down and
 * count towards `tombstone_failure_threshold`; a partition deletion does not.
 */
export function statementsOf(table: string, view: ViewShape, expiry: Expiry | null = null): Statements {
  const names = Object.keys(view.columns);
  const others = names.filter((name) => !view.key.includes(name));
  const keyTypes = view.key.map((name) => view.columns[name]!);
  const where = view.key.map((name) => `${quote(name)} = ?`).join(' AND ');
  const written = [...view.key, ...others].map(quote);
  const insert =
    `INSERT INTO ${table} (${written.join(', ')}, ${partitionColumn}) ` +
    `VALUES (${written.map(() => '?').join(', ')}, ?) USING TIMESTAMP ?${expiry ? ' AND TTL ?' : ''}`;
  const remove = `DELETE FROM ${table} USING TIMESTAMP ? WHERE ${where}`;
  const replace = `BEGIN UNLOGGED BATCH ${remove}; ${insert}; APPLY BATCH`;
  const key = (values: Key) => values.map((value, i) => toCql(value, keyTypes[i]!));
  const rest = (row: Row) => others.map((name) => toCql(row[name], view.columns[name]!));
  const hasNull = (row: Row) => others.some((name) => (row[name] ?? null) === null);
  return {
    get: `SELECT ${names.map(quote).join(', ')} FROM ${table} WHERE ${where}`,
    scan: `SELECT ${names.map(quote).join(', ')} FROM ${table}`,
    keys:
      `SELECT ${view.key.map((name, i) => `${quote(name)} AS k${i}`).join(', ')}, ` +
      `${partitionColumn} AS partition, WRITETIME(${partitionColumn}) AS written FROM ${table}`,
    written: `SELECT WRITETIME(${partitionColumn}) AS written FROM ${table} WHERE ${where}`,
    ends: view.ttl ? `SELECT ${quote(view.ttl.column)} FROM ${table}` : null,
    probe: `SELECT ${partitionColumn} FROM ${table} LIMIT 1`,
    key,
    remove: (values, written) => ({ query: remove, params: [written, ...key(values)] }),
    write(change, partition) {
      const [first, second] = parts(change, partition);
      return second ? { query: replace, params: [...first!.params, ...second.params] } : first!;
    },
    parts,
  };

  function parts(change: RowChange, partition: number): Statement[] {
    const keyValues = key(change.key);
    const at = writeTime(change.offset);
    if (change.op === 'delete') return [{ query: remove, params: [at, ...keyValues] }];
    const values = [...keyValues, ...rest(change.row), partition, at];
    if (expiry) {
      const end = expiry.end(change.row);
      if (expiry.ended(end)) return [{ query: remove, params: [at, ...keyValues] }];
      values.push(secondsLeft(end, expiry.now()));
    }
    const written = { query: insert, params: values };
    if (!hasNull(change.row)) return [written];
    return [{ query: remove, params: [clearTime(change.offset), ...keyValues] }, written];
  }
}
