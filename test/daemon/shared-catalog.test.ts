import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkConfig } from '../../daemon/config/check.ts';
import { SharedCatalog } from '../../daemon/shared-catalog.ts';

test('views that start at the same time share one catalog, so that closing it closes all', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'insideout-catalog-')), 'log.db');
  const shared = new SharedCatalog(checkConfig({ log: { kind: 'embedded', path } }, 'test'));
  const [a, b] = await Promise.all([shared.get(), shared.get()]);
  expect(a.catalog).toBe(b.catalog);
  expect((await shared.get()).catalog).toBe(a.catalog);
  await shared.close();
  await expect(a.log.topics()).rejects.toMatchObject({ code: 'LOG_CLOSED' });
});
