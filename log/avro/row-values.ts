import type { ColumnType } from '../../core/column.ts';
import { decodeArray } from '../../core/tagged-json.ts';
import type { Value } from '../../core/value.ts';
import type { Cursor } from './cursor.ts';
import { type ElementOf, parseArrayLiteral } from './row-array.ts';
import { compileTemporal } from './row-temporal.ts';
import type { AvroSchema } from './schema-registry.ts';

/** Reads one value. `undefined` means that the value has no exact form in the declared type. */
export type ReadValue = (cursor: Cursor) => Value | undefined;

/** Attribute of a string type whose text is no text, and says what it is instead. */
const formAttribute = 'insideout.form';
const taggedForm = 'tagged-json';

/** An array of any depth and any elements, exact, as the text of core/tagged-json.ts. */
export const taggedArraySchema: AvroSchema = { type: 'string', [formAttribute]: taggedForm };

/** Compiles the reader of a field that is declared as `type`; null when no value of it could ever fit. */
export function compileValue(schema: AvroSchema, type: ColumnType | 'any'): ReadValue | null {
  if (Array.isArray(schema)) {
    const element = elementOf(schema);
    // A text beside an array is an array's literal; a text alone is some other type, and no array.
    const literal = element !== null && type === 'array';
    const branches = schema.map((branch) =>
      branch === 'string' && literal ? readLiteral(element) : compileValue(branch, type),
    );
    if (branches.every((branch, i) => branch === null || schema[i] === 'null')) return null;
    return (cursor) => {
      const branch = branches[cursor.size()];
      if (branch === undefined) throw new RangeError('a union branch does not exist');
      // What cannot fit is not read, so nothing behind it can be either.
      return branch === null ? undefined : branch(cursor);
    };
  }
  if (typeof schema === 'object' && schema[formAttribute] === taggedForm)
    return type === 'array' || type === 'any' ? readTagged : null;
  if (typeof schema === 'object' && schema.type !== 'array') {
    const temporal = type === 'timestamp' ? compileTemporal(schema) : null;
    return temporal ?? compileValue(schema.type as AvroSchema, type);
  }
  const name = typeof schema === 'string' ? schema : 'array';
  if (name === 'null') return () => null;
  if (name === 'array')
    return type === 'array' || type === 'any' ? readArray((schema as { items: AvroSchema }).items) : null;
  return scalars[name]?.[type] ?? null;
}

const readTagged: ReadValue = (cursor) => {
  const text = cursor.string();
  try {
    return decodeArray(text);
  } catch {
    throw new RangeError('an array is not in its tagged form');
  }
};

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
      cursor.expect(count);
      for (let i = 0; i < count; i++) values.push(item(cursor) ?? null);
    }
    return values;
  };
}

/** Array elements as the literal prints them, made what they are in an Avro array of the same column. */
const elements: Readonly<Record<string, ElementOf>> = {
  int: Number,
  long: BigInt,
  float: Number,
  double: Number,
  boolean: (text) => text === 't',
  bytes: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

/** The literal of an array that is not an Avro array: one of several dimensions, or with other bounds. */
function readLiteral(element: string): ReadValue {
  return (cursor) => parseArrayLiteral(cursor.string(), elements[element]);
}

/** The element type that a union's Avro array tells of; null when there is none in it. */
function elementOf(union: readonly AvroSchema[]): string | null {
  for (const branch of union) {
    if (typeof branch === 'string' || Array.isArray(branch) || branch.type !== 'array') continue;
    const items = [branch.items as AvroSchema].flat();
    return items.find((item): item is string => typeof item === 'string' && item !== 'null') ?? 'string';
  }
  return null;
}

const asInt: ReadValue = (cursor) => {
  const value = cursor.long();
  return typeof value === 'number' && (value | 0) === value ? value : undefined;
};
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
  int: { int: asInt, bigint: asBigint, float: asNumber, numeric: asDigits, text: asDigits, any: asNumber },
  long: { int: asInt, bigint: asBigint, numeric: asDigits, text: asDigits, any: asBigint },
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
  },
};
