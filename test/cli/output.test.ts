import { expect, test } from 'vitest';
import { table } from '../../cli/output.ts';

test('a table is as wide as its widest cells, and numbers are aligned to the right', () => {
  expect(
    table(
      ['name', 'n'],
      [
        ['a', 5],
        ['longer', 10],
      ],
    ),
  ).toBe('name     n\na        5\nlonger  10');
});

test('a table may have more rows than a call takes arguments', () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [i]);
  expect(table(['n'], rows).split('\n')).toHaveLength(200_001);
});
