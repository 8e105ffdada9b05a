import type { ColumnType } from '../../../core/column.ts';
import type { Value } from '../../../core/value.ts';
import { decodeArray, encodeArray } from '../row-json.ts';

/** The column type in SQLite, whose tables are strict. A float column is ANY: REAL would forget the sign of zero. */
export const sqliteType: Readonly<Record<ColumnType, string>> = {
  text: 'TEXT',
  int: 'INTEGER',
  bigint: 'INTEGER',
  float: 'ANY',
  numeric: 'TEXT',
  boolean: 'INTEGER',
  bytes: 'BLOB',
  timestamp: 'TEXT',
  json: 'TEXT',
  array: 'TEXT',
};

export type ToSqlite = (value: Value) => unknown;

const same: ToSqlite = (value) => value;

/** How a value of each type is bound. SQLite has no NaN and forgets the sign of zero; both are kept as text. */
export const toSqlite: Readonly<Record<ColumnType, ToSqlite>> = {
  text: same,
  int: same,
  bigint: same,
  float: (value) => (Number.isNaN(value) ? 'NaN' : Object.is(value, -0) ? '-0' : value),
  numeric: same,
  boolean: (value) => (value === null ? null : value ? 1 : 0),
  bytes: same,
  timestamp: same,
  json: same,
  array: (value) => (value === null ? null : encodeArray(value)),
};

/** The way back; integers arrive as bigint (`safeIntegers`). */
export function fromSqlite(value: unknown, type: ColumnType): Value {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'int':
    case 'float':
      return Number(value);
    case 'bigint':
      return BigInt(value as bigint);
    case 'boolean':
      return BigInt(value as bigint) === 1n;
    case 'bytes':
      return new Uint8Array(value as Buffer);
    case 'array':
      return decodeArray(value as string);
    default:
      return value as string;
  }
}

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
