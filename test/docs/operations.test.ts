import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Health } from '../../daemon/health.ts';
import { Metrics } from '../../daemon/metrics.ts';

test('docs/operations.md lists every metric with its type, and no other', async () => {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/^\| `(insideout_\w+)` \| (\w+) \| /gm)].map((m) => `${m[1]} ${m[2]}`);
  const told = await new Metrics(new Health()).text();
  const metrics = [...told.matchAll(/^# TYPE (insideout_\w+) (\w+)$/gm)].map((m) => `${m[1]} ${m[2]}`);
  expect(documented.sort()).toEqual(metrics.sort());
});
