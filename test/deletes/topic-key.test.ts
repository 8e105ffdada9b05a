import avro from 'avsc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type GivenValue, keyForm } from '../../deletes/topic-key.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { exactLong } from '../support/avro-decode.ts';

const schemaOf = (...types: AvroSchema[]): AvroSchema => ({
  type: 'record',
  name: 'Key',
  fields: types.map((type, i) => ({ name: `c${i}`, type })),
});
const form = (...types: AvroSchema[]) => keyForm(0x01020304, schemaOf(...types))!;
const bytesOf = (row: object, ...types: AvroSchema[]) =>
  Buffer.concat([
    Buffer.from([0, 1, 2, 3, 4]),
    avro.Type.forSchema(schemaOf(...types) as avro.Schema, {
      registry: { long: exactLong },
      wrapUnions: 'never' as never,
    }).toBuffer(row),
  ]);

test('keys are encoded as another implementation of Avro does it, whether numbers come as text or as numbers', () => {
  const types: AvroSchema[] = ['int', 'long', 'string', 'boolean', 'double', 'bytes', ['null', 'string']];
  fc.assert(
    fc.property(
      fc.integer(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.boolean(),
      fc.double({ noNaN: true }),
      fc.uint8Array({ maxLength: 40 }),
      fc.option(fc.string()),
      (c0, c1, c2, c3, c4, c5, c6) => {
        const right = bytesOf({ c0, c1, c2, c3, c4, c5: Buffer.from(c5), c6 }, ...types);
        const hex = `\\x${Buffer.from(c5).toString('hex')}`;
        const asText = Object.is(c4, -0) ? '-0' : String(c4);
        const given: GivenValue[] = [String(c0), String(c1), c2, String(c3), asText, hex, c6];
        expect(form(...types).encode(given)).toEqual(right);
        const named = { c6, c5: hex, c4, c3, c2, c1: String(c1), c0 };
        expect(form(...types).encode(named)).toEqual(right);
      },
    ),
  );
});

test.each<[AvroSchema, GivenValue]>([
  ['int', 2 ** 31],
  ['int', '2147483648'],
  ['int', 1.5],
  ['int', ''],
  ['int', ' 1'],
  ['int', null],
  ['long', '9223372036854775808'],
  ['long', 2 ** 53],
  ['long', '1e3'],
  ['string', 5],
  ['string', null],
  ['boolean', 'yes'],
  ['boolean', 1],
  ['double', 'x'],
  ['double', ''],
  ['bytes', 'abc'],
  ['bytes', '\\xabc'],
  [['null', 'int'], 'x'],
  [{ type: 'array', items: 'int' }, '1'],
])('for %j the value %j is refused and never bent into another', (type, value) => {
  expect(form(type).encode([value])).toBeNull();
});

test('a key with other columns, or more or fewer of them, is refused', () => {
  const { columns, encode } = form('int', 'string');
  expect(columns).toEqual(['c0', 'c1']);
  for (const key of [['1'], ['1', 'a', 'b'], { c0: 1 }, { c0: 1, c2: 'a' }, { c0: 1, c1: 'a', c2: 'b' }, []])
    expect(encode(key)).toBeNull();
  expect(encode({ c1: 'a', c0: 1 })).toEqual(encode(['1', 'a']));
});

test('a column has the name that the database gave it; what is no record has no form', () => {
  const schema = { type: 'record', name: 'K', fields: [{ name: 'a_x20_b', column: 'a b', type: 'int' }] };
  expect(keyForm(1, schema)!.columns).toEqual(['a b']);
  expect(keyForm(1, schema)!.encode({ 'a b': 1 })).not.toBeNull();
  expect(keyForm(1, 'string')).toBeNull();
  expect(keyForm(1, { type: 'record', name: 'None', fields: [] })).toBeNull();
});
