import type { Columns, ColumnType } from '../../core/column.ts';
import { base64, encodeArray, fromBase64, textOfFloat, untag } from '../../core/tagged-json.ts';
import type { Row, Value } from '../../core/value.ts';

export { decodeArray, encodeArray } from '../../core/tagged-json.ts';

/**
 * Rows as JSON that other languages read without us, and that we read back exactly:
 * bigint, numeric, timestamp and json columns are strings, bytes are base64, NaN, the infinities and -0 are
 * strings. Arrays, where no declared type helps, are in the form of core/tagged-json.ts.
 */
export interface RowJson {
  /** The row's members as `"id":"1","name":"x"`, without braces, so that a store can add its own. Never empty. */
  members(row: Row): string;
  /** The row in a text that `members` is part of. Members that are not declared columns are passed over. */
  decode(text: string): Row;
}

export function rowJson(columns: Columns): RowJson {
  const names = Object.keys(columns);
  const labels = names.map((name, i) => `${i === 0 ? '' : ','}${JSON.stringify(name)}:`);
  const encoders = names.map((name) => encoderOf[columns[name]!]);
  const decoders = names.map((name) => decoderOf[columns[name]!]);
  return {
    members(row) {
      let text = '';
      for (let i = 0; i < names.length; i++) {
        const value = row[names[i]!] ?? null;
        text += labels[i]! + (value === null ? 'null' : encoders[i]!(value));
      }
      return text;
    },
    decode(text) {
      const plain = JSON.parse(text) as Record<string, unknown>;
      const row: Record<string, Value> = {};
      for (let i = 0; i < names.length; i++) {
        const value = plain[names[i]!] ?? null;
        row[names[i]!] = value === null ? null : decoders[i]!(value);
      }
      return row;
    },
  };
}

const number = (value: Value): string => {
  const text = textOfFloat(value as number);
  return text === null ? String(value) : `"${text}"`;
};
const text = (value: Value): string => {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return JSON.stringify(value);
};

const encoderOf: Readonly<Record<ColumnType, (value: Value) => string>> = {
  text,
  int: number,
  bigint: (value) => `"${value as bigint}"`,
  float: number,
  numeric: text,
  boolean: String,
  bytes: (value) => `"${base64(value as Uint8Array)}"`,
  timestamp: text,
  json: text,
  array: encodeArray,
};

const same = (value: unknown): Value => value as Value;

const decoderOf: Readonly<Record<ColumnType, (value: unknown) => Value>> = {
  text: same,
  int: Number,
  bigint: (value) => BigInt(value as string),
  float: Number,
  numeric: same,
  boolean: same,
  bytes: (value) => fromBase64(value as string),
  timestamp: same,
  json: same,
  array: untag,
};
