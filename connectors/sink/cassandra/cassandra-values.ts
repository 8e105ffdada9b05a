import { types } from 'cassandra-driver';
import type { Columns, ColumnType } from '../../../core/column.ts';
import type { Row, Value } from '../../../core/value.ts';
import { decodeArray, encodeArray } from '../row-json.ts';

/** A value as the driver takes it for the column's CQL type. Null becomes unset: a null would be a tombstone. */
export function toCql(value: Value | undefined, type: ColumnType): unknown {
  if (value === null || value === undefined) return types.unset;
  if (type === 'array') return encodeArray(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value;
}

export function fromCql(stored: types.Row, columns: Columns): Row {
  const row: Record<string, Value> = {};
  for (const name in columns) row[name] = fromCqlValue(stored[name] as unknown, columns[name]!);
  return row;
}

function fromCqlValue(value: unknown, type: ColumnType): Value {
  if (value === null || value === undefined) return null;
  if (type === 'array') return decodeArray(value as string);
  if (type === 'bytes') return new Uint8Array(value as Uint8Array);
  return value as Value;
}
