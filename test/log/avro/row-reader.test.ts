import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Columns, ColumnType } from '../../../core/column.ts';
import { InsideoutError } from '../../../core/errors.ts';
import { compileRow, RowReader, schemaAttempts } from '../../../log/avro/row-reader.ts';
import type { AvroSchema } from '../../../log/avro/schema-registry.ts';
import { headerLength, writeHeader } from '../../../log/avro/wire-format.ts';
import { exactLong } from '../../support/avro-decode.ts';

function framed(schema: AvroSchema, value: unknown, wrapUnions: 'never' | 'always' = 'never'): Buffer {
  const body = avro.Type.forSchema(schema as avro.Schema, {
    registry: { long: exactLong },
    wrapUnions: wrapUnions as never,
  }).toBuffer(value);
  const header = Buffer.alloc(headerLength);
  writeHeader(header, 0, 1);
  return Buffer.concat([header, body]);
}

const record = (...fields: [string, AvroSchema, object?][]): AvroSchema => ({
  type: 'record',
  name: 'Value',
  fields: fields.map(([name, type, more]) => ({ name, type, ...more })),
});
const nullable = (type: AvroSchema): AvroSchema => ['null', type];

/** One value of a field, read as the declared type. */
function readAs(type: AvroSchema, value: unknown, as: ColumnType) {
  const schema = record(['v', type]);
  return compileRow(schema, { v: as })(framed(schema, { v: value }))!.v;
}
const undecodable = expect.objectContaining({ code: 'RECORD_UNDECODABLE' });
const unconvertible = expect.objectContaining({ code: 'RECORD_UNCONVERTIBLE' });

describe('rows', () => {
  const fields = {
    b: ['bigint', nullable('long'), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })],
    i: ['int', nullable('int'), fc.integer()],
    t: ['text', nullable('string'), fc.string({ unit: 'grapheme' })],
    n: ['numeric', nullable('string'), fc.constantFrom('NaN', '1.000', '-0.00', '9'.repeat(60))],
    f: ['float', nullable('double'), fc.double()],
    o: ['boolean', nullable('boolean'), fc.boolean()],
    y: ['bytes', nullable('bytes'), fc.uint8Array()],
    a: [
      'array',
      ['null', { type: 'array', items: ['null', 'long'] }, 'string'],
      fc.array(fc.option(fc.bigInt({ min: -5n, max: 1n << 60n }))),
    ],
  } as const satisfies Record<string, readonly [ColumnType, unknown, fc.Arbitrary<unknown>]>;
  const names = Object.keys(fields) as (keyof typeof fields)[];
  const values = fc.record(
    Object.fromEntries(names.map((n) => [n, fc.option(fields[n][2] as fc.Arbitrary<unknown>)])) as never,
  ) as fc.Arbitrary<Record<string, unknown>>;

  test('columns may have any name, wanted or not, and mean nothing but themselves', () => {
    const wanted = [
      '__proto__',
      'toString',
      'a"b',
      "it's",
      'back\\slash',
      'two\nlines',
      '`',
      '\u2028',
      '*/',
      '',
    ];
    const others = ['constructor', 'hasOwnProperty'];
    const columns = [...others, ...wanted];
    const schema = record(
      ...columns.map((column, i): [string, AvroSchema, object] => [`c${i}`, 'string', { column }]),
    );
    const value = Object.fromEntries(columns.map((column, i) => [`c${i}`, `value of ${column}`]));
    const declared: Columns = Object.fromEntries([...wanted, 'valueOf'].map((name) => [name, 'text']));
    const row = compileRow(schema, declared)(framed(schema, value))!;
    expect(Object.entries(row)).toEqual([
      ...wanted.map((name) => [name, `value of ${name}`]),
      ['valueOf', null],
    ]);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
  });

  test('the wanted columns are read exactly, whichever columns lie between them', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(names), fc.subarray(names), values, (written, wanted, row) => {
        const schema = record(...written.map((n): [string, AvroSchema] => [n, fields[n][1] as AvroSchema]));
        const columns: Columns = Object.fromEntries(wanted.map((n) => [n, fields[n][0]]));
        const bytes = framed(schema, {
          ...row,
          y: row.y === null ? null : Buffer.from(row.y as Uint8Array),
        });
        const expected = Object.fromEntries(wanted.map((n) => [n, written.includes(n) ? row[n] : null]));
        expect(compileRow(schema, columns)(bytes)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('a column is found under the name that the database gives it', () => {
    const schema = record(['a_x2d_b', 'string', { column: 'a-b' }]);
    expect(compileRow(schema, { 'a-b': 'text' })(framed(schema, { a_x2d_b: 'x' }))).toEqual({ 'a-b': 'x' });
  });

  test('bytes are a copy, because the Log uses its buffer again', () => {
    const schema = record(['v', 'bytes']);
    const bytes = framed(schema, { v: Buffer.from([1, 2, 3]) });
    const { v } = compileRow(schema, { v: 'bytes' })(bytes)!;
    bytes.fill(9);
    expect(v).toEqual(new Uint8Array([1, 2, 3]));
  });

  test('maps, enums, fixed and nested records that nobody wants are passed over', () => {
    const point = { type: 'record', name: 'Point', fields: [{ name: 'x', type: 'int' }] };
    const schema = record(
      ['m', { type: 'map', values: 'long' }],
      ['e', { type: 'enum', name: 'Colour', symbols: ['red', 'green'] }],
      ['x', { type: 'fixed', name: 'Four', size: 4 }],
      ['p', point],
      ['q', ['null', 'Point']],
      ['v', 'int'],
    );
    const bytes = framed(
      schema,
      { m: { a: 1n, b: 2n }, e: 'green', x: Buffer.alloc(4), p: { x: 1 }, q: { Point: { x: 2 } }, v: 5 },
      'always',
    );
    expect(compileRow(schema, { v: 'int' })(bytes)).toEqual({ v: 5 });
  });

  test('bytes that end too early, or are noise, are RECORD_UNDECODABLE or a row, and never anything else', () => {
    const schema = record(...names.map((n): [string, AvroSchema] => [n, fields[n][1] as AvroSchema]));
    const columns: Columns = Object.fromEntries(names.map((n) => [n, fields[n][0]]));
    const read = compileRow(schema, columns);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          read(Buffer.concat([Buffer.alloc(headerLength), noise]));
        } catch (error) {
          expect((error as InsideoutError).code).toMatch(/^RECORD_UN(DECODABLE|CONVERTIBLE)$/);
        }
      }),
      { numRuns: 2000 },
    );
    const whole = framed(record(['t', 'string'], ['f', 'double']), { t: 'abc', f: 1 });
    const reader = compileRow(record(['t', 'string'], ['f', 'double']), { t: 'text', f: 'float' });
    for (let end = headerLength; end < whole.length; end++)
      expect(() => reader(whole.subarray(0, end))).toThrow(undecodable);
  });

  test('a count that the bytes cannot hold is refused before anything is made', () => {
    const schema = record(['v', { type: 'array', items: 'null' }]);
    const bytes = Buffer.concat([
      Buffer.alloc(headerLength),
      Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    ]);
    expect(() => compileRow(schema, { v: 'array' })(bytes)).toThrow(undecodable);
    expect(() =>
      compileRow(record(['v', { type: 'array', items: 'null' }], ['w', 'int']), { w: 'int' })(bytes),
    ).toThrow(undecodable);
  });

  test('text that is not UTF-8 is refused, not mended; the replacement character itself is text', () => {
    const schema = record(['v', 'string']);
    const read = compileRow(schema, { v: 'text' });
    expect(() => read(Buffer.concat([Buffer.alloc(headerLength), Buffer.from([2, 0xff])]))).toThrow(
      undecodable,
    );
    expect(read(framed(schema, { v: '\ufffd' }))).toEqual({ v: '\ufffd' });
  });

  test('text of any length is whole, with and without what is not ASCII', () => {
    const schema = record(['v', 'string'], ['w', 'string']);
    const read = compileRow(schema, { v: 'text', w: 'text' });
    for (let length = 0; length < 40; length++)
      for (const last of ['', '\0', '~', '\x7f', '\x80', 'é', '€', '😀']) {
        const row = { v: 'x'.repeat(length) + last, w: 'behind' };
        expect(read(framed(schema, row))).toEqual(row);
      }
  });
});

describe('conversion to the declared type is exact, or refused', () => {
  test.each<[AvroSchema, unknown, ColumnType, unknown]>([
    ['int', 5, 'bigint', 5n],
    ['int', 5, 'float', 5],
    ['int', -5, 'numeric', '-5'],
    ['int', 5, 'text', '5'],
    ['long', 9007199254740993n, 'text', '9007199254740993'],
    ['long', 9007199254740993n, 'numeric', '9007199254740993'],
    ['long', 2147483647n, 'int', 2147483647],
    ['string', '1.50', 'numeric', '1.50'],
    [{ type: 'int', 'connect.name': 'io.debezium.time.Date' }, 1, 'timestamp', '1970-01-02'],
    ['string', '{"a":1.0}', 'json', '{"a":1.0}'],
    ['string', 'infinity', 'timestamp', 'infinity'],
  ])('%s %s as %s', (schema, value, type, expected) => {
    expect(readAs(schema, value, type)).toEqual(expected);
    expect(readAs(nullable(schema), value, type)).toEqual(expected);
    expect(readAs(nullable(schema), null, type)).toBeNull();
  });

  test.each<[AvroSchema, unknown, ColumnType]>([
    ['long', 2147483648n, 'int'],
    ['long', 1n << 60n, 'int'],
    ['long', 1n, 'float'],
    ['double', 1, 'int'],
    ['double', 0.5, 'numeric'],
    ['double', 0.5, 'text'],
    ['string', '5', 'int'],
    // A text alone may be anything with braces: box[] separates its elements by semicolons.
    ['string', '{(2,2),(1,1);(4,4),(3,3)}', 'array'],
    ['string', 't', 'boolean'],
    ['bytes', Buffer.from('a'), 'text'],
    ['boolean', true, 'text'],
    [{ type: 'array', items: 'int' }, [1], 'text'],
    [['null', { type: 'array', items: 'int' }, 'string'], [1], 'text'],
  ])('%s %s as %s is refused', (schema, value, type) => {
    expect(() => readAs(schema, value, type)).toThrow(unconvertible);
  });

  test('elements of an array of several dimensions are what they are in one of one', () => {
    const of = (items: AvroSchema): AvroSchema => [
      'null',
      { type: 'array', items: ['null', items] },
      'string',
    ];
    expect(readAs(of('int'), '{{1,2},{3,NULL}}', 'array')).toEqual([
      [1, 2],
      [3, null],
    ]);
    expect(readAs(of('long'), '{{9007199254740993}}', 'array')).toEqual([[9007199254740993n]]);
    expect(readAs(of('double'), '{{NaN,-Infinity,1e-3}}', 'array')).toEqual([[Number.NaN, -Infinity, 0.001]]);
    expect(readAs(of('boolean'), '{{t,f}}', 'array')).toEqual([[true, false]]);
    expect(readAs(of('bytes'), '{{"\\\\x0aff"}}', 'array')).toEqual([[new Uint8Array([10, 255])]]);
    expect(readAs(of('string'), '{{1,"NULL"}}', 'array')).toEqual([['1', 'NULL']]);
  });
});

describe("Debezium's envelope", () => {
  const row = record(['id', 'long'], ['name', nullable('string')]) as { name: string };
  const envelope: AvroSchema = {
    type: 'record',
    name: 'Envelope',
    namespace: 'shop.public.customers',
    fields: [
      { name: 'before', type: ['null', row], default: null },
      { name: 'after', type: ['null', 'Value'], default: null },
      { name: 'source', type: { type: 'record', name: 'Source', fields: [{ name: 'lsn', type: 'long' }] } },
      { name: 'op', type: 'string' },
    ],
  };
  const branch = 'shop.public.customers.Value';
  const read = compileRow(envelope, { id: 'bigint', name: 'text' });
  const message = (before: object | null, after: object | null, op: string) =>
    framed(
      envelope,
      {
        before: before && { [branch]: before },
        after: after && { [branch]: after },
        source: { lsn: 1n },
        op,
      },
      'always',
    );

  test('the row is what it was after the change', () => {
    const before = { id: 1n, name: { string: 'old' } };
    expect(read(message(before, { id: 1n, name: { string: 'new' } }, 'u'))).toEqual({ id: 1n, name: 'new' });
    expect(read(message(null, { id: 2n, name: null }, 'c'))).toEqual({ id: 2n, name: null });
  });

  test('a delete has no row', () => {
    expect(read(message({ id: 1n, name: null }, null, 'd'))).toBeNull();
  });
});

test('columns called before, after and op make no envelope of a row', () => {
  const schema = record(
    ['before', nullable('string')],
    ['after', nullable({ type: 'array', items: ['null', 'long'] })],
    ['op', 'string'],
  );
  const read = compileRow(schema, { before: 'text', after: 'array', op: 'text' });
  const row = { before: null, after: [1n], op: 'c' };
  expect(read(framed(schema, row))).toEqual(row);
});

describe('schemas', () => {
  const schema = record(['v', 'int']);
  test('are fetched once', async () => {
    let fetched = 0;
    const reader = new RowReader(
      {
        register: async () => 1,
        schema: async () => {
          fetched++;
          return schema;
        },
      },
      { v: 'int' },
    );
    const bytes = framed(schema, { v: 3 });
    expect(reader.find(bytes)).toBeUndefined();
    await reader.prepare(bytes);
    expect(reader.find(bytes)?.(bytes)).toEqual({ v: 3 });
    expect(fetched).toBe(1);
  });

  test('that the registry does not have are asked for a few times, and then not for every record', async () => {
    let fetched = 0;
    const error = new InsideoutError('SCHEMA_UNKNOWN', 'There is no schema 1.', { hint: 'Look.' });
    const reader = new RowReader(
      {
        register: async () => 1,
        schema: async () => {
          fetched++;
          throw error;
        },
      },
      { v: 'int' },
    );
    await expect(reader.prepare(framed(schema, { v: 3 }))).rejects.toBe(error);
    await expect(reader.prepare(framed(schema, { v: 4 }))).rejects.toBe(error);
    expect(fetched).toBe(schemaAttempts);
  });

  test('bytes without framing are RECORD_UNDECODABLE', async () => {
    const reader = new RowReader({ register: async () => 1, schema: async () => schema }, { v: 'int' });
    await expect(reader.prepare(Buffer.from('{"v":1}'))).rejects.toThrow(undecodable);
  });
});
