import type { Columns, ColumnType } from '../../core/column.ts';
import type { Row, Value } from '../../core/value.ts';

/**
 * Rows as JSON that other languages read without us, and that we read back exactly:
 * bigint, numeric, timestamp and json columns are strings, bytes are base64, NaN, the infinities and -0 are
 * strings. Inside arrays, where no declared type helps, a bigint is `{"$bigint":"1"}`, bytes are
 * `{"$bytes":"AA=="}`, a float that JSON cannot write is `{"$float":"NaN"}`, and an object that could be taken
 * for one of these is `{"$object":{...}}`.
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

/** An array, or any value, as JSON text in the tagged form. */
export const encodeArray = (value: Value): string => JSON.stringify(tag(value));
export const decodeArray = (text: string): Value => untag(JSON.parse(text));

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

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** The text of a float that JSON has no number for, -0 among them. */
function textOfFloat(value: number): string | null {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? null : String(value);
}

function tag(value: Value): unknown {
  switch (typeof value) {
    case 'bigint':
      return { $bigint: value.toString() };
    case 'number': {
      const text = textOfFloat(value);
      return text === null ? value : { $float: text };
    }
    case 'object': {
      if (value === null) return null;
      if (value instanceof Uint8Array) return { $bytes: base64(value) };
      if (Array.isArray(value)) return value.map(tag);
      const entries = Object.entries(value as Row).map(([name, item]) => [name, tag(item)] as const);
      const plain = Object.fromEntries(entries);
      return entries.some(([name]) => name.startsWith('$')) ? { $object: plain } : plain;
    }
    default:
      return value;
  }
}

function untag(value: unknown): Value {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== 'object' || value === null) return value as Value;
  const [first] = Object.entries(value);
  const [kind, content] = first ?? ['', null];
  if (kind === '$bigint') return BigInt(content as string);
  if (kind === '$bytes') return fromBase64(content as string);
  if (kind === '$float') return Number(content);
  const plain = kind === '$object' ? (content as object) : value;
  return Object.fromEntries(Object.entries(plain).map(([name, item]) => [name, untag(item)]));
}
