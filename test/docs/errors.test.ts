import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../../core/errors.ts';

test('docs/errors.md lists every error code with its retry policy and meaning, and no other', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const documented = text.split('\n').filter((line) => line.startsWith('| `'));
  const rows = Object.entries(errorCodes).map(
    ([code, [retry, meaning]]) => `| \`${code}\` | ${retry} | ${meaning} |`,
  );
  expect(documented).toEqual(rows);
});
