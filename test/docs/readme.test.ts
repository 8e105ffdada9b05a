import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../daemon/config/load.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const scripts = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  .scripts as Record<string, string>;

test("the README's config loads as it stands", async () => {
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1];
  const folder = mkdtempSync(join(tmpdir(), 'insideout-readme-'));
  writeFileSync(join(folder, 'insideout.config.ts'), code ?? '');
  process.env.DATABASE_URL = 'postgres://localhost/shop';
  const config = await loadConfig({ folder });
  expect(config.views.map((v) => v.shape)).toEqual([
    { name: 'customer_card', columns: { id: 'bigint', name: 'text' }, key: ['id'] },
  ]);
});

test('every npm script that the README names is there', () => {
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map((m) => m[1]!);
  expect(named.length).toBeGreaterThan(2);
  for (const name of named) expect(scripts).toHaveProperty(name);
});

test('every file that the README links to is there', () => {
  const links = [...readme.matchAll(/\]\(([^)#]+\.md)(?:#[^)]*)?\)/g)].map((m) => m[1]!);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links)
    expect(readFileSync(new URL(`../../${link}`, import.meta.url), 'utf8').length).toBeGreaterThan(100);
});
