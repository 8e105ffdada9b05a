import { expect, test } from 'vitest';
import { parseSubject, type SubjectDeclaration } from '../../deletes/subject.ts';

const parse = (is: readonly string[], anonymise?: SubjectDeclaration['anonymise']) =>
  parseSubject('customer', { source: 'shop', is, anonymise });

test('a subject is its own table first, then those that hold its id or refer to a table before them', () => {
  const { subject, problems } = parse(
    ['public.customers.id', 'public.orders.customer_id', 'public.payments.order_id -> public.orders'],
    { 'public.orders': { note: null } },
  );
  expect(problems).toEqual([]);
  expect(subject).toEqual({
    name: 'customer',
    source: 'shop',
    tables: [
      { table: 'public.customers', column: 'id', through: null, policy: { kind: 'delete' } },
      {
        table: 'public.orders',
        column: 'customer_id',
        through: null,
        policy: { kind: 'anonymise', set: { note: null } },
      },
      {
        table: 'public.payments',
        column: 'order_id',
        through: { table: 'public.orders', column: null },
        policy: { kind: 'delete' },
      },
    ],
  });
});

test('names of tables may hold dots, and what is referred to may name its column', () => {
  const { subject, problems } = parse([
    'public.eu.customers.id',
    'public.eu.orders.customer_id->public.eu.customers',
    'public.notes.mail -> public.eu.customers.email',
  ]);
  expect(problems).toEqual([]);
  expect(subject.tables.map((t) => [t.table, t.column, t.through])).toEqual([
    ['public.eu.customers', 'id', null],
    ['public.eu.orders', 'customer_id', { table: 'public.eu.customers', column: null }],
    ['public.notes', 'mail', { table: 'public.eu.customers', column: 'email' }],
  ]);
});

test.each<[string, readonly string[], SubjectDeclaration['anonymise'], string, RegExp]>([
  ['a line of two parts', ['customers.id'], undefined, 'is.0', /is written schema\.table\.column/],
  ['an empty column', ['public.customers.'], undefined, 'is.0', /is written/],
  ['nothing behind the arrow', ['public.a.id', 'public.b.a ->'], undefined, 'is.1', /is written/],
  ['two arrows', ['public.a.id', 'public.b.a -> public.a -> public.a'], undefined, 'is.1', /is written/],
  ['an own table that refers', ['public.b.a -> public.a'], undefined, 'is.0', /own table/],
  ['a table that comes later', ['public.a.id', 'public.b.c -> public.c'], undefined, 'is.1', /listed before/],
  [
    'a table that refers to itself',
    ['public.a.id', 'public.b.c -> public.b'],
    undefined,
    'is.1',
    /listed before/,
  ],
  ['a line twice', ['public.a.id', 'public.a.id'], undefined, 'is.1', /twice/],
  [
    'to overwrite what rows are found by',
    ['public.a.id'],
    { 'public.a': { id: 1 } },
    'anonymise.public.a.id',
    /found by/,
  ],
  [
    'another word in braces',
    ['public.a.id'],
    { 'public.a': { mail: 'x-{id}@example.org' } },
    'anonymise.public.a.mail',
    /holds \{id\}, but only \{random\} is known.*write \{\{id\}\}/,
  ],
  ['to overwrite elsewhere', ['public.a.id'], { 'public.z': { n: 1 } }, 'anonymise.public.z', /not among/],
])('%s is refused at its path', (_what, is, anonymise, path, message) => {
  const { problems } = parse(is, anonymise);
  expect(problems).toContainEqual({ path, message: expect.stringMatching(message) });
});
