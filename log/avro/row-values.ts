import type { ColumnType } from '../../core/column.ts';
import type { Value } from '../../core/value.ts';
import type { Cursor } from './cursor.ts';
import { parseArrayLiteral } from './row-array.ts';
import type { AvroSchema } from './schema-registry.ts';

/** Reads one value. `undefined` means that the value has no exact form in the declared type. */
export type ReadValue = (cursor: Cursor) => Value | undefined;

/** Compiles the reader of a field that is declared as `type`; null when no value of it could ever fit. */
export function compileValue(schema: AvroSchema, type: ColumnType | 'any'): ReadValue | null {
  if (Array.isArray(schema)) {
    const branches = schema.map((branch) => compileValue(branch, type));
    if (branches.every((branch, i) => branch === null || schema[i] === 'null')) return null;
    return (cursor) => {
      const branch = branches[cursor.size()];
      if (!branch) throw new RangeError('a union branch does not exist, or does not fit');
      return branch(cursor);
    };
  }
  if (typeof schema === 'object' && schema.type !== 'array')
    return compileValue(schema.type as AvroSchema, type);
  const name = typeof schema === 'string' ? schema : 'array';
  if (name === 'null') return () => null;
  if (name === 'array')
    return type === 'array' || type === 'any' ? readArray((schema as { items: AvroSchema }).items) : null;
  return scalars[name]?.[type] ?? null;
}

function readArray(items: AvroSchema): ReadValue | null {
  const item = compileValue(items, 'any');
  if (!item) return null;
  return (cursor) => {
    const values: Value[] = [];
    for (let count = cursor.size(); count !== 0; count = cursor.size()) {
      if (count < 0) {
        cursor.size();
        count = -count;
      }
      for (let i = 0; i < count; i++) values.push(item(cursor) ?? null);
    }
    return values;
  };
}

const asNumber: ReadValue = (cursor) => {
  const value = cursor.long();
  return typeof value === 'number' ? value : undefined;
};
const asBigint: ReadValue = (cursor) => BigInt(cursor.long());
const asDigits: ReadValue = (cursor) => cursor.long().toString();
const asString: ReadValue = (cursor) => cursor.string();
const asBoolean: ReadValue = (cursor) => cursor.byte() !== 0;
const asDouble: ReadValue = (cursor) => cursor.double();
const asFloat: ReadValue = (cursor) => cursor.float();
const asBytes: ReadValue = (cursor) => cursor.binary();

/** From Avro's types to the declared ones; what is missing would lose something. */
const scalars: Readonly<Record<string, Partial<Record<ColumnType | 'any', ReadValue>>>> = {
  int: { int: asNumber, bigint: asBigint, float: asNumber, numeric: asDigits, text: asDigits, any: asNumber },
  long: { int: asNumber, bigint: asBigint, numeric: asDigits, text: asDigits, any: asBigint },
  double: { float: asDouble, any: asDouble },
  float: { float: asFloat, any: asFloat },
  boolean: { boolean: asBoolean, any: asBoolean },
  bytes: { bytes: asBytes, any: asBytes },
  string: {
    text: asString,
    numeric: asString,
    timestamp: asString,
    json: asString,
    any: asString,
    // The literal of an array of several dimensions.
    array: (cursor: Cursor) => parseArrayLiteral(cursor.string()),
  },
};
