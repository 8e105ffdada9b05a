import { expect, test } from 'vitest';
import { versionProblem } from '../../../../connectors/source/postgres/preflight.ts';

test('a server that is too old is refused by its version, and the oldest that is not is taken', () => {
  expect(versionProblem(140_023)).toEqual({
    message: 'PostgreSQL 14 is too old; 15 and later can be captured.',
    mend: expect.stringContaining('Upgrade it'),
  });
  expect(versionProblem(150_000)).toBeNull();
});
