import cassandra from 'cassandra-driver';
import type { ColumnType } from '../../../core/column.ts';
import type { Value } from '../../../core/value.ts';
import { decodeArray, encodeArray } from '../row-json.ts';

export const cqlType: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  int: 'int',
  bigint: 'bigint',
  float: 'double',
  numeric: 'text',
  boolean: 'boolean',
  bytes: 'blob',
  timestamp: 'text',
  json: 'text',
  array: 'text',
};

/** How a value of each type is bound. */
export function toCql(value: Value, type: ColumnType): unknown {
  if (value === null) return null;
  if (type === 'bigint') return cassandra.types.Long.fromString((value as bigint).toString());
  if (type === 'bytes') return Buffer.from(value as Uint8Array);
  if (type === 'array') return encodeArray(value);
  return value;
}

export function fromCql(value: unknown, type: ColumnType): Value {
  if (value === null || value === undefined) return null;
  if (type === 'bigint') return BigInt(String(value));
  if (type === 'bytes') return new Uint8Array(value as Buffer);
  if (type === 'array') return decodeArray(value as string);
  return value as Value;
}

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
