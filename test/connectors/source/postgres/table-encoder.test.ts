import avro from 'avsc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  keySchema,
  keyShape,
  safeName,
  valueSchema,
} from '../../../../connectors/source/postgres/avro-schema.ts';
import { originOf } from '../../../../connectors/source/postgres/origin.ts';
import { isNull, Tuple } from '../../../../connectors/source/postgres/pgoutput.ts';
import { TableEncoder } from '../../../../connectors/source/postgres/table-encoder.ts';
import type { PgType } from '../../../../connectors/source/postgres/types.ts';
import { ByteWriter } from '../../../../log/avro/byte-writer.ts';
import { exactLong } from '../../../support/avro-decode.ts';

const scalar = (name: string, encoding: PgType['encoding']): PgType => ({
  name,
  encoding,
  element: null,
  known: true,
});
const text = scalar('text', 'string');
const arrayOf = (element: PgType): PgType => ({
  name: `${element.name}[]`,
  encoding: 'string',
  element,
  known: true,
});

function tupleOf(values: readonly (string | null)[]): Tuple {
  const tuple = new Tuple();
  const parts = values.map((v) => Buffer.from(v ?? ''));
  tuple.reset(Buffer.concat(parts), values.length);
  let at = 0;
  values.forEach((value, i) => {
    tuple.starts[i] = value === null ? isNull : at;
    at += parts[i]!.length;
    tuple.ends[i] = at;
  });
  return tuple;
}

function roundTrip(
  columns: readonly { name: string; type: PgType; key: boolean }[],
  values: readonly (string | null)[],
) {
  const encoder = new TableEncoder(columns, { keyId: 7, valueId: 8 });
  const writer = new ByteWriter(64);
  const tuple = tupleOf(values);
  const key = encoder.key(tuple, writer);
  const value = encoder.value(tuple, writer, 'u', originOf({ lsn: 1n, xid: 1, micros: 1n }));
  expect(key.readUInt32BE(1)).toBe(7);
  expect(value.readUInt32BE(1)).toBe(8);
  const read = (schema: unknown, bytes: Buffer) =>
    avro.Type.forSchema(schema as avro.Schema, {
      registry: { long: exactLong },
      wrapUnions: 'never' as never,
    }).fromBuffer(bytes.subarray(5));
  const keyNames = new Set(columns.filter((c) => c.key).map((c) => c.name));
  return {
    key: read(
      keySchema(
        's.t',
        columns.filter((c) => c.key),
      ),
      key,
    ),
    value: read(valueSchema('s.t', columns, keyNames), value),
  };
}

test('int8 is exact over its whole range, in keys and in values', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (n) => {
      const columns = [
        { name: 'id', type: scalar('bigint', 'long'), key: true },
        { name: 'n', type: scalar('bigint', 'long'), key: false },
      ];
      const { key, value } = roundTrip(columns, [n.toString(), n.toString()]);
      expect(key.id).toBe(n);
      expect(value.n).toBe(n);
    }),
  );
});

test('text, bytes, floats and booleans survive, and null stays null', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.double(), fc.boolean(), (t, b, f, bo) => {
      const columns = [
        { name: 'id', type: scalar('integer', 'int'), key: true },
        { name: 't', type: text, key: false },
        { name: 'b', type: scalar('bytea', 'bytes'), key: false },
        { name: 'f', type: scalar('double precision', 'double'), key: false },
        { name: 'bo', type: scalar('boolean', 'boolean'), key: false },
        { name: 'none', type: text, key: false },
      ];
      const float = Object.is(f, -0) ? '-0' : String(f);
      const { value } = roundTrip(columns, [
        '-5',
        t,
        `\\x${Buffer.from(b).toString('hex')}`,
        float,
        bo ? 't' : 'f',
        null,
      ]);
      expect(value).toMatchObject({ id: -5, t: Buffer.from(t).toString(), bo, none: null });
      expect(Buffer.from(value.b).equals(Buffer.from(b))).toBe(true);
      expect(Object.is(value.f, f)).toBe(true);
    }),
  );
});

test('arrays of one dimension are Avro arrays, others keep their literal', () => {
  const columns = [
    { name: 'id', type: scalar('integer', 'int'), key: true },
    { name: 'a', type: arrayOf(text), key: false },
  ];
  const read = (literal: string) => roundTrip(columns, ['1', literal]).value.a;
  expect(read('{}')).toEqual([]);
  expect(read('{a,"b,\\"c\\\\",NULL,"NULL",""}')).toEqual(['a', 'b,"c\\', null, 'NULL', '']);
  expect(read('{{1,2},{3,4}}')).toBe('{{1,2},{3,4}}');
  expect(read('[0:1]={1,2}')).toBe('[0:1]={1,2}');
});

test('different names stay different when they are made safe', () => {
  const names = ['a-b', 'a_b', 'a b', 'a.b', 'ä', '1a', '_1a', '_x2d_', '-'];
  expect(new Set(names.map(safeName)).size).toBe(names.length);
  for (const name of names) expect(safeName(name)).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
});

test('integers, and texts, have one key schema whatever they are declared as', () => {
  const schema = (type: PgType) => keySchema('s.t', [{ name: 'id', type }]);
  expect(schema(scalar('integer', 'int'))).toEqual(schema(scalar('bigint', 'long')));
  expect(schema(scalar('character varying', 'string'))).toEqual(schema(text));
  expect(schema(arrayOf(scalar('integer', 'int')))).toEqual(schema(arrayOf(scalar('bigint', 'long'))));
});

test('keys have another shape where the same value is printed otherwise, or the schema is another', () => {
  const shape = (type: PgType, typmod = -1, id = 1) => keyShape(id, [{ name: 'id', type, typmod }]);
  const integer = shape(scalar('integer', 'int'));
  expect(shape(scalar('bigint', 'long'))).toBe(integer);
  expect(shape(scalar('bigint', 'long'), -1, 2)).not.toBe(integer);
  expect(shape(scalar('character varying', 'string'), 9)).toBe(shape(text));
  expect(shape(scalar('numeric', 'string'), 10)).not.toBe(shape(scalar('numeric', 'string'), 12));
  expect(shape(scalar('real', 'double'))).not.toBe(shape(scalar('double precision', 'double')));
  expect(shape(scalar('character', 'string'), 9)).not.toBe(shape(text));
});
