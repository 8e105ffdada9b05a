import type { ColumnType } from '../../core/column.ts';
import type { Value } from '../../core/value.ts';

/** A column of the table with every type: values as SQL expressions, beside them what an array amounts to. */
export interface TypedColumn {
  readonly name: string;
  readonly pg: string;
  readonly as: ColumnType;
  readonly values: readonly string[];
  readonly arrays?: readonly Value[];
  /** The type and the values of the elements, where they are to be asked for. */
  readonly elements?: { readonly pg: string; readonly values: readonly string[] };
}

const scalar = (pg: string, as: ColumnType, values: readonly string[]): Omit<TypedColumn, 'name'> => ({
  pg,
  as,
  values: values.map((v) => `'${v.replaceAll("'", "''")}'`),
});
const array = (pg: string, pairs: readonly (readonly [string, Value])[]): Omit<TypedColumn, 'name'> => ({
  ...scalar(
    pg,
    'array',
    pairs.map(([literal]) => literal),
  ),
  arrays: pairs.map(([, value]) => value),
});
const bytes = (...b: number[]) => new Uint8Array(b);

/** What the columns need; the last type is one that insideout does not know. */
export const typesSql = `
  create extension hstore;
  create extension cube;
  create type mood as enum ('sad', 'so so', 'it''s "fine", {really}');
  create domain account as int8 check (value <> 13);
  create domain label as text;
  create domain labels as text[];
  create type address as (street text, number int, tags text[]);`;

export const unknownColumns = ['c_cube', 'a_cube'];

const definitions: Record<string, Omit<TypedColumn, 'name'>> = {
  int2: scalar('int2', 'int', ['-32768', '32767', '0']),
  int4: scalar('int4', 'int', ['-2147483648', '2147483647', '-1']),
  int8: scalar('int8', 'bigint', ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-64']),
  float4: scalar('float4', 'float', ['NaN', 'Infinity', '-Infinity', '-0', '0.1', '3.4028235e38', '1e-45']),
  float8: scalar('float8', 'float', [
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '0.1',
    '1.7976931348623157e308',
    '5e-324',
  ]),
  numeric: scalar('numeric', 'numeric', [
    'NaN',
    'Infinity',
    '-Infinity',
    '9007199254740993.000',
    '0.10',
    '-0.00000000000000000000000001',
    '123456789012345678901234567890.12345678900',
  ]),
  money2: scalar('numeric(12,2)', 'numeric', ['1', '-9999999999.99', '0.1']),
  text: scalar('text', 'text', [
    '',
    'NULL',
    '\\N',
    'tab\tnewline\nreturn\r\\',
    'zażółć 😀 \u{fffd}',
    '{"quoted"}',
  ]),
  varchar: scalar('varchar(20)', 'text', ['', "it's", '日本語']),
  char: scalar('char(5)', 'text', ['a', 'abcde', '']),
  name: scalar('name', 'text', ['a name']),
  bytea: scalar('bytea', 'bytes', ['\\x', '\\x00ff5c0a09', '\\xdeadbeef']),
  bool: scalar('bool', 'boolean', ['t', 'f']),
  uuid: scalar('uuid', 'text', [
    '00000000-0000-0000-0000-000000000000',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  ]),
  json: scalar('json', 'json', [
    '{"b" : 1,  "a":1e3, "a":9007199254740993.10}',
    ' [ ] ',
    '"\\u00e9\\n"',
    'null',
  ]),
  jsonb: scalar('jsonb', 'json', ['{"b": 1, "a": 9007199254740993.10}', '[1.00, null]', 'null']),
  date: scalar('date', 'timestamp', [
    'infinity',
    '-infinity',
    '4713-01-01 BC',
    '5874897-12-31',
    '2024-02-29',
  ]),
  time: scalar('time', 'timestamp', ['24:00:00', '00:00:00.000001', '12:30:00']),
  timetz: scalar('timetz', 'timestamp', ['12:30:00.123456+05:45', '00:00:00-15:59']),
  timestamp: scalar('timestamp', 'timestamp', [
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00.000001 BC',
    '294276-12-31 23:59:59.999999',
    '2024-02-29 00:00:00',
  ]),
  timestamptz: scalar('timestamptz', 'timestamp', [
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00.000001+00 BC',
    '2024-02-29 00:00:00.123456+05:30',
  ]),
  interval: scalar('interval', 'text', ['1 year 2 mons -3 days 04:05:06.789', '-00:00:00.000001', '0']),
  mood: scalar('mood', 'text', ['sad', 'it\'s "fine", {really}']),
  account: scalar('account', 'bigint', ['9223372036854775807', '-1']),
  label: scalar('label', 'text', ['', 'a label']),
  inet: scalar('inet', 'text', ['192.168.0.1/24', '::1']),
  cidr: scalar('cidr', 'text', ['10.0.0.0/8', '2001:db8::/32']),
  macaddr: scalar('macaddr', 'text', ['08:00:2b:01:02:03']),
  int4range: scalar('int4range', 'text', ['[1,5)', 'empty', '(,3]']),
  tstzrange: scalar('tstzrange', 'text', ['[2024-01-01 00:00:00.000001+00,infinity)', '(,)']),
  multirange: scalar('int4multirange', 'text', ['{[1,3),[5,9)}', '{}']),
  hstore: scalar('hstore', 'text', ['"a b"=>"c,\\"d", e=>NULL', '']),
  address: scalar('address', 'text', ['("Main ""St"", 1",7,"{a,""b c""}")', '(,,)']),
  money: scalar('money', 'text', ['-1234567.89', '0.01']),
  bit: scalar('bit(5)', 'text', ['10101', '00000']),
  varbit: scalar('varbit', 'text', ['', '101']),
  tsvector: scalar('tsvector', 'text', ["'fat':2 'rat''s':3A", '']),
  point: scalar('point', 'text', ['(1.5,-0)', '(Infinity,NaN)']),
  oid: scalar('oid', 'bigint', ['4294967295', '0']),
  xml: scalar('xml', 'text', ['<a b="1">\n &amp; ü</a>', '']),
  int2vector: scalar('int2vector', 'text', ['1 2', '']),
  boxes: scalar('box[]', 'text', ['{(1,1),(0,0);(2,2),(0,0)}', '{}']),
  cube: scalar('cube', 'text', ['(1, 2),(3, 4)', '(0)']),
  int4s: array('int4[]', [
    ['{1,NULL,-2147483648}', [1, null, -2147483648]],
    ['{}', []],
    [
      '{{1,2},{3,NULL}}',
      [
        [1, 2],
        [3, null],
      ],
    ],
    ['[0:1]={7,8}', [7, 8]],
  ]),
  int8s: array('int8[]', [
    ['{9007199254740993,1,NULL}', [9007199254740993n, 1n, null]],
    ['{{9223372036854775807},{-1}}', [[9223372036854775807n], [-1n]]],
    ['{}', []],
  ]),
  float8s: array('float8[]', [
    ['{NaN,-0,Infinity,NULL,0.1}', [Number.NaN, -0, Number.POSITIVE_INFINITY, null, 0.1]],
    ['{{NaN,-Infinity}}', [[Number.NaN, Number.NEGATIVE_INFINITY]]],
  ]),
  numerics: array('numeric[]', [
    ['{1.10,NaN,NULL}', ['1.10', 'NaN', null]],
    ['{{0.10}}', [['0.10']]],
  ]),
  bools: array('bool[]', [
    ['{t,f,NULL}', [true, false, null]],
    ['{{t},{f}}', [[true], [false]]],
  ]),
  byteas: array('bytea[]', [
    ['{"\\\\x00ff",NULL,"\\\\x"}', [bytes(0, 255), null, bytes()]],
    ['{{"\\\\xdead"},{"\\\\x"}}', [[bytes(0xde, 0xad)], [bytes()]]],
  ]),
  texts: array('text[]', [
    ['{"","NULL",NULL,"a \\"q\\" , {b} \\\\",ż}', ['', 'NULL', null, 'a "q" , {b} \\', 'ż']],
    ['{}', []],
    [
      '{{a,"b,c"},{NULL,"}"}}',
      [
        ['a', 'b,c'],
        [null, '}'],
      ],
    ],
  ]),
  uuids: array('uuid[]', [
    ['{00000000-0000-0000-0000-000000000000}', ['00000000-0000-0000-0000-000000000000']],
  ]),
  stamps: array('timestamptz[]', [
    ['{"2024-02-29 00:00:00.123456+00",infinity}', ['2024-02-29 00:00:00.123456+00', 'infinity']],
  ]),
  moods: array('mood[]', [
    ['{sad,"it\'s \\"fine\\", {really}",NULL}', ['sad', 'it\'s "fine", {really}', null]],
  ]),
  accounts: array('account[]', [
    ['{9007199254740993}', [9007199254740993n]],
    ['{{1},{2}}', [[1n], [2n]]],
  ]),
  labels: array('labels', [['{a,NULL}', ['a', null]]]),
  jsonbs: array('jsonb[]', [['{"{\\"a\\": 1.0}",NULL,null}', ['{"a": 1.0}', null, null]]]),
  addresses: array('address[]', [['{"(x,1,{})",NULL}', ['(x,1,{})', null]]]),
};

/** Of these there is no array, or one that travels as a text of its own. */
const noElements = ['int2vector', 'boxes'];

/** An array with every value of the scalar type and a null, an empty one, and one of two dimensions. */
function arrayOfAll({ pg, values }: Omit<TypedColumn, 'name'>): Omit<TypedColumn, 'name'> {
  const list = (items: readonly string[]) => `array[${items.join(', ')}]`;
  return {
    pg: `${pg}[]`,
    as: 'array',
    values: [
      `${list([...values, 'null'])}::${pg}[]`,
      `'{}'`,
      `${list([list([values[0]!]), list([values.at(-1)!])])}::${pg}[]`,
    ],
    elements: { pg, values },
  };
}

const scalars = Object.entries(definitions).filter(([, c]) => c.as !== 'array');

export const typedColumns: readonly TypedColumn[] = [
  ...Object.entries(definitions).map(([name, column]) => ({ name: `c_${name}`, ...column })),
  ...scalars
    .filter(([name]) => !noElements.includes(name))
    .map(([name, column]) => ({ name: `a_${name}`, ...arrayOfAll(column) })),
];

/** Enough rows for every value of every column to appear. */
export const rowCount = Math.max(...typedColumns.map((c) => c.values.length));
