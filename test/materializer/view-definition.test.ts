import { expect, expectTypeOf, test } from 'vitest';
import {
  defineView,
  fingerprint,
  type ViewDeclaration,
  view,
  viewProblems,
} from '../../materializer/view-definition.ts';

const declared = (more: Partial<ViewDeclaration> = {}): ViewDeclaration => ({
  name: 'card',
  from: 'shop.public.customers',
  store: 'cards',
  columns: { id: 'bigint', name: 'text' },
  key: ['id'],
  ...more,
});

test('the row function sees exactly the columns that are read, and makes exactly those that are stored', () => {
  view({
    name: 'card',
    from: 'shop.public.customers',
    store: 'cards',
    reads: { id: 'bigint', visits: 'int', photo: 'bytes', ok: 'boolean', at: 'timestamp' },
    columns: { customer_id: 'bigint', visits: 'int' },
    key: { customer_id: 'id' },
    row: (row) => {
      expectTypeOf(row).toEqualTypeOf<{
        readonly id: bigint;
        readonly visits: number | null;
        readonly photo: Uint8Array | null;
        readonly ok: boolean | null;
        readonly at: string | null;
      }>();
      return { visits: row.visits };
    },
  });
  view({
    name: 'card',
    from: 't',
    store: 's',
    columns: { id: 'bigint', spent: 'numeric' },
    key: ['id'],
    row: (row) => {
      expectTypeOf(row.spent).toEqualTypeOf<string | null>();
      // @ts-expect-error there is no such column
      void row.nothing;
      return row.spent === null ? null : row;
    },
  });
  view({
    name: 'card',
    from: 't',
    store: 's',
    columns: { id: 'bigint', n: 'int' },
    key: ['id'],
    // @ts-expect-error n is a number
    row: () => ({ n: 'five' }),
  });
  view({
    name: 'card',
    from: 't',
    store: 's',
    columns: { id: 'bigint' },
    // @ts-expect-error the key must be among the columns
    key: ['identifier'],
  });
});

test('key columns are never null in a row function, whatever they are called there; all others may be', () => {
  const common = { name: 'card', from: 't', store: 's' } as const;
  view({
    ...common,
    columns: { id: 'bigint', v: 'text' },
    key: ['id'],
    row: (row) => {
      expectTypeOf(row).toEqualTypeOf<{ readonly id: bigint; readonly v: string | null }>();
      return row;
    },
  });
  view({
    ...common,
    columns: { a: 'text', b: 'int', v: 'text' },
    key: { a: 'first', b: 'second' },
    row: (row) => {
      expectTypeOf(row).toEqualTypeOf<{
        readonly a: string;
        readonly b: number;
        readonly v: string | null;
      }>();
      return row;
    },
  });
  // Under the source's names, a column that is called as the view calls its key is another one.
  view({
    ...common,
    reads: { first: 'text', a: 'text' },
    columns: { a: 'text', v: 'text' },
    key: { a: 'first' },
    row: (row) => {
      expectTypeOf(row).toEqualTypeOf<{ readonly first: string; readonly a: string | null }>();
      return { v: row.first };
    },
  });
  // What is not known until it runs makes no promise.
  const some: ('id' | 'v')[] = ['id'];
  view({
    ...common,
    columns: { id: 'bigint', v: 'text' },
    key: some,
    row: (row) => {
      expectTypeOf(row).toEqualTypeOf<{ readonly id: bigint | null; readonly v: string | null }>();
      return row;
    },
  });
});

test('a key is the source key, in its order, under the names of the view', () => {
  expect(defineView(declared()).keyFrom).toEqual({ id: 'id' });
  const renamed = defineView(
    declared({ columns: { b: 'text', a: 'text' }, key: { a: 'first', b: 'second' } }),
  );
  expect(renamed.shape.key).toEqual(['a', 'b']);
  expect(renamed.keyFrom).toEqual({ a: 'first', b: 'second' });
});

test.each<[string, Partial<ViewDeclaration>, string]>([
  ['a name that is no identifier', { name: 'Card-1' }, 'name'],
  ['no key', { key: [] }, 'key'],
  ['a key that is not stored', { key: ['other'] }, 'key'],
  ['a column that no store can name', { columns: { id: 'bigint', 'a b': 'text' } }, 'columns.a b'],
  ['a ttl of a column that is not stored', { ttl: { column: 'at', ms: 1 } }, 'ttl.column'],
  ['a ttl of a column that is no timestamp', { ttl: { column: 'name', ms: 1 } }, 'ttl.column'],
  [
    'a ttl that is no time',
    { columns: { id: 'bigint', at: 'timestamp' }, ttl: { column: 'at', ms: 0.5 } },
    'ttl.ms',
  ],
  ['a stored column that nothing makes', { reads: { id: 'bigint', title: 'text' } }, 'reads'],
])('%s is a problem at its path', (_name, more, path) => {
  expect(viewProblems(declared(more)).map((p) => p.path.join('.'))).toEqual([path]);
  expect(() => defineView(declared(more))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('the fingerprint changes with what could change the rows, or where they are, and with nothing else', () => {
  const of = (more: Partial<ViewDeclaration> = {}) => fingerprint(defineView(declared(more)));
  const same = of();
  expect(of()).toBe(same);
  for (const more of [
    { from: 'shop.public.others' },
    { store: 'elsewhere' },
    { columns: { id: 'bigint', name: 'json' } },
    { columns: { name: 'text', id: 'bigint' } },
    { key: { id: 'other' } },
    { reads: { id: 'bigint', name: 'text', more: 'text' } },
    { row: () => null },
  ] satisfies Partial<ViewDeclaration>[])
    expect(of(more)).not.toBe(same);
});

test('a ttl is part of what a store must know, and of the fingerprint', () => {
  const columns = { id: 'bigint', at: 'timestamp' } as const;
  const of = (ms: number) => defineView(declared({ columns, ttl: { column: 'at', ms } }));
  expect(of(1_000).shape.ttl).toEqual({ column: 'at', ms: 1_000 });
  expect(defineView(declared({ columns })).shape).not.toHaveProperty('ttl');
  const prints = [defineView(declared({ columns })), of(1_000), of(2_000)].map(fingerprint);
  expect(new Set(prints).size).toBe(3);
});

test('how the store lays out the rows is part of the fingerprint, where it is not the usual way', () => {
  expect(fingerprint(defineView(declared(), 'hash'))).not.toBe(fingerprint(defineView(declared())));
});

test('the fingerprint of a view without a ttl and in the usual layout is what it was before there were any', () => {
  expect(fingerprint(defineView(declared()))).toBe('de0190ae91d84ce8');
});
