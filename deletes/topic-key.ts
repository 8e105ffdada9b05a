import { ByteWriter } from '../log/avro/byte-writer.ts';
import { columnOf, fieldsOf } from '../log/avro/schema-fields.ts';
import type { AvroSchema } from '../log/avro/schema-registry.ts';
import { headerLength, writeHeader } from '../log/avro/wire-format.ts';

/** A value of a key as somebody types it or writes it as JSON. */
export type GivenValue = string | number | boolean | null;

/** A key by the names of its columns, or the values alone in the order of the topic's key schema. */
export type GivenKey = Readonly<Record<string, GivenValue>> | readonly GivenValue[];

/** Encodes keys by one key schema of a topic. */
export interface KeyForm {
  readonly schemaId: number;
  /** Names of the key columns, in their order. */
  readonly columns: readonly string[];
  /** The framed bytes; null when the key has other columns, or a value does not fit its type. */
  encode(key: GivenKey): Buffer | null;
}

/** Null for a schema that is no record with fields: of such keys no view is made. */
export function keyForm(schemaId: number, schema: AvroSchema): KeyForm | null {
  const fields = fieldsOf(schema);
  if (!fields || fields.length === 0) return null;
  const columns = fields.map(columnOf);
  return {
    schemaId,
    columns,
    encode: (key) => {
      const values = inOrder(key, columns);
      if (!values) return null;
      const out = new ByteWriter(256);
      out.begin();
      out.reserve(headerLength);
      out.position = writeHeader(out.buffer, out.position, schemaId);
      for (const [i, field] of fields.entries()) {
        const write = writing(field.type, values[i]!);
        if (!write) return null;
        write(out);
      }
      return Buffer.from(out.end());
    },
  };
}

function inOrder(key: GivenKey, columns: readonly string[]): readonly GivenValue[] | null {
  if (Array.isArray(key)) return key.length === columns.length ? key : null;
  const named = key as Readonly<Record<string, GivenValue>>;
  if (Object.keys(named).length !== columns.length) return null;
  return columns.every((name) => Object.hasOwn(named, name)) ? columns.map((name) => named[name]!) : null;
}

type Write = (out: ByteWriter) => void;

/** Writes the value as this type; null when it does not fit. What is a number in the topic may be given as text. */
function writing(schema: AvroSchema, value: GivenValue): Write | null {
  if (Array.isArray(schema)) {
    for (const [branch, type] of schema.entries()) {
      const write = writing(type, value);
      if (write)
        return (out) => {
          out.long(branch);
          write(out);
        };
    }
    return null;
  }
  if (typeof schema === 'object') return writing(schema.type as AvroSchema, value);
  return primitives[schema]?.(value) ?? null;
}

const primitives: Readonly<Record<string, (value: GivenValue) => Write | null>> = {
  null: (value) => (value === null ? () => {} : null),
  boolean: (value) => {
    const truth = value === true || value === 'true' || value === 't';
    const known = truth || value === false || value === 'false' || value === 'f';
    return known ? (out) => out.byte(truth ? 1 : 0) : null;
  },
  int: (value) => whole(value, 32),
  long: (value) => whole(value, 64),
  float: (value) => {
    const number = real(value);
    return number === null
      ? null
      : (out) => {
          out.reserve(4);
          out.position = out.buffer.writeFloatLE(number, out.position);
        };
  },
  double: (value) => {
    const number = real(value);
    return number === null ? null : (out) => out.double(number);
  },
  string: (value) => (typeof value === 'string' ? (out) => out.text(value) : null),
  bytes: (value) => {
    if (typeof value !== 'string' || !/^\\x([0-9a-f]{2})*$/i.test(value)) return null;
    const bytes = Buffer.from(value.slice(2), 'hex');
    return (out) => out.sized(bytes, 0, bytes.length);
  },
};

/** A JSON number beyond 2^53 is no longer the one that was written, so it has to come as text. */
function whole(value: GivenValue, bits: number): Write | null {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) return null;
  const number = BigInt(text);
  return BigInt.asIntN(bits, number) === number ? (out) => out.bigLong(number) : null;
}

function real(value: GivenValue): number | null {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.trim() === '') return null;
  const number = Number(value);
  return Number.isNaN(number) && value !== 'NaN' ? null : number;
}
