import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Health } from '../../daemon/health.ts';
import { Metrics } from '../../daemon/metrics.ts';

test('docs/operations.md lists every metric with its type, and no other', async () => {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/^\| `(insideout_\w+)` \| (\w+) \| /gm)].map((m) => `${m[1]} ${m[2]}`);
  const { registry } = new Metrics(new Health());
  const metrics = (await registry.getMetricsAsJSON()).filter((m) => m.name.startsWith('insideout_'));
  expect(documented.sort()).toEqual(metrics.map((m) => `${m.name} ${m.type}`).sort());
});
