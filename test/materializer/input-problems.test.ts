import { expect, test } from 'vitest';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { inputProblems } from '../../materializer/input-problems.ts';
import { defineView, type ViewDeclaration } from '../../materializer/view-definition.ts';

const record = (fields: readonly object[]): AvroSchema => ({ type: 'record', name: 'R', fields });
const id = { name: 'id', type: 'long' };
const schemas = {
  key: record([id]),
  value: record([
    { name: 'id', type: 'int' },
    { name: 'name', type: ['null', 'string'] },
    { name: 'visits', type: ['null', 'long'] },
    { name: 'safe', column: 'Not Safe', type: ['null', 'string'] },
  ]),
};

const problemsOf = (declared: Partial<ViewDeclaration>, of = schemas) =>
  inputProblems(
    defineView({
      name: 'card',
      from: 'shop.public.t',
      store: 'local',
      key: ['id'],
      columns: { id: 'bigint' },
      ...declared,
    }),
    of,
  ).map(({ severity, message, mend }) => `${severity}: ${message} ${mend}`);

test('a view that fits has no problems, under other names or with a row function either', () => {
  expect(problemsOf({ columns: { id: 'bigint', name: 'text', visits: 'bigint' } })).toEqual([]);
  expect(
    problemsOf({ columns: { customer_id: 'bigint', visits: 'text' }, key: { customer_id: 'id' } }),
  ).toEqual([]);
  expect(
    problemsOf({
      columns: { id: 'int', label: 'json' },
      reads: { id: 'int', 'Not Safe': 'text' },
      row: () => ({}),
    }),
  ).toEqual([]);
});

test('a column that the records do not have is a warning that names those that there are', () => {
  expect(problemsOf({ columns: { id: 'bigint', nmae: 'text' } })).toEqual([
    'warning: It reads "nmae", which its records do not have: it is null in every row. Correct the name; there are "id", "name", "visits", "Not Safe".',
  ]);
});

test('a key of other columns than the records have is an error, also when it has only some of them', () => {
  const wrong =
    'error: Its key is made of "name", and the key of its records of "id": rows would be lost. Make `key` of "id".';
  expect(problemsOf({ columns: { id: 'bigint', name: 'text' }, key: ['name'] })).toEqual([wrong]);
  const two = { ...schemas, key: record([id, { name: 'name', type: 'string' }]) };
  expect(problemsOf({ columns: { id: 'bigint' } }, two)).toEqual([
    'error: Its key is made of "id", and the key of its records of "id", "name": rows would be lost. Make `key` of "id", "name".',
  ]);
});

test('a type that can take no value of a column is an error that names those that can, once for each column', () => {
  const told = (column: string, type: string, fitting: string) =>
    `error: Its column "${column}" is declared as ${type}, in which no value of the column has an exact form. Declare it as ${fitting}; docs/configuration.md tells what each is.`;
  expect(
    problemsOf({
      columns: { id: 'boolean', name: 'bigint' },
      reads: { id: 'boolean', name: 'bigint' },
    }),
  ).toEqual([
    told('id', 'boolean', 'text, or int, or bigint, or numeric'),
    told('name', 'bigint', 'text, or numeric, or timestamp, or json'),
  ]);
});
