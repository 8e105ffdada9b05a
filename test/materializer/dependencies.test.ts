import { expect, test } from 'vitest';
import { checkConfig } from '../../daemon/config/check.ts';
import type { ViewDeclaration } from '../../materializer/view-definition.ts';

const declared = (name: string, more: Partial<ViewDeclaration> = {}): ViewDeclaration => ({
  name,
  from: 'shop.public.t',
  store: 'a',
  columns: { id: 'bigint', label: 'text' },
  key: ['id'],
  ...more,
});
const check = (...views: ViewDeclaration[]) =>
  checkConfig(
    { log: { kind: 'embedded' }, stores: { a: { kind: 'sqlite', path: 'a.db' } }, views },
    'the config',
  );
const problem = (...views: ViewDeclaration[]): string => {
  try {
    check(...views);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    return (error as Error).message;
  }
  return 'none';
};

test('a cycle of views is refused with its path', () => {
  const message = problem(
    declared('a', { from: { view: 'c' } }),
    declared('b', { from: { view: 'a' } }),
    declared('c', { from: { view: 'b' } }),
  );
  expect(message).toContain('views.0.from: is a cycle: a reads c reads b reads a');
  expect(problem(declared('a', { from: { view: 'a' } }))).toContain('a reads a');
});

test('a view that nobody declares is refused with those that are', () => {
  expect(problem(declared('a', { from: { view: 'nobody' } }), declared('b'))).toContain(
    'views.0.from: there is no view "nobody"; known: a, b',
  );
});

test('a column that the other view lacks, or has of another type, is refused by name', () => {
  expect(
    problem(declared('a'), declared('b', { from: { view: 'a' }, columns: { id: 'bigint', name: 'text' } })),
  ).toContain('the view "a" has no column "name"; known: id, label');
  expect(
    problem(declared('a'), declared('b', { from: { view: 'a' }, columns: { id: 'bigint', label: 'int' } })),
  ).toContain('"label" is text in the view "a", not int');
});

test('a key that is not the key of the other view is refused', () => {
  expect(problem(declared('a'), declared('b', { from: { view: 'a' }, key: ['label'] }))).toContain(
    'views.1.key: must be made of the key of the view "a": id',
  );
});

test('a renamed key and a subset of the columns are well, and views come behind what feeds them', () => {
  const config = check(
    declared('b', { from: { view: 'a' }, columns: { a_id: 'bigint' }, key: { a_id: 'id' } }),
    declared('a'),
  );
  expect(config.views.map((v) => [v.shape.name, v.published])).toEqual([
    ['a', true],
    ['b', false],
  ]);
});
