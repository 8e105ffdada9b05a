import { expect, test } from 'vitest';
import { withSection } from '../../../bench/report/results-file.ts';

const text = '# Results\n\nHow.\n\n## sink-redis\n\nold\n\n## rebuild\n\nkept\n';

test('a case that is measured again replaces its own section in its place', () => {
  const after = withSection(text, 'sink-redis', '## sink-redis\n\nnew');
  expect(after).toBe('# Results\n\nHow.\n\n## sink-redis\n\nnew\n\n## rebuild\n\nkept\n');
});

test('a case that is measured for the first time comes last', () => {
  const after = withSection(text, 'sink', '## sink\n\nfirst');
  expect(after.endsWith('## rebuild\n\nkept\n\n## sink\n\nfirst\n')).toBe(true);
  expect(after).toContain('## sink-redis\n\nold');
});
