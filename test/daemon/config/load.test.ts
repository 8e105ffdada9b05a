import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InsideoutError } from '../../../core/errors.ts';
import { loadConfig } from '../../../daemon/config/load.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-config-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

const yaml = `
sources:
  shop: { kind: postgres, url: "\${SHOP_URL}", tables: [public.customers] }
log: { kind: embedded, path: "\${DATA}/log.db" }
stores: { local: { kind: sqlite, path: views.db } }
views:
  - { name: card, from: shop.public.customers, store: local, key: [id], columns: { id: bigint } }
`;

const code = (url: string) => `export default {
  sources: { shop: { kind: 'postgres', url: ${url}, tables: ['public.customers'] } },
  log: { kind: 'embedded', path: 'log.db' },
};`;

describe('loadConfig', () => {
  test('a TypeScript config imports insideout from anywhere, and keeps its functions', async () => {
    write(
      'insideout.config.ts',
      `import { defineConfig, embedded, sqlite, view } from 'insideout';
       const path: string = 'views.db';
       export default defineConfig({ log: embedded(), stores: { local: sqlite({ path }) }, views: [
         view({ name: 'card', from: 't', store: 'local', key: ['id'], columns: { id: 'int', n: 'text' },
           row: (r) => ({ n: 'made' }) })] });`,
    );
    const config = await loadConfig({ folder });
    expect(config.views[0]?.row?.({})).toEqual({ n: 'made' });
  });

  test('a JavaScript config is found, and --config wins over it', async () => {
    write('insideout.config.js', `export default { log: { kind: 'embedded', path: 'a.db' } };`);
    write('other.yaml', 'log: { kind: embedded, path: b.db }');
    expect((await loadConfig({ folder })).log).toMatchObject({ path: 'a.db' });
    expect((await loadConfig({ folder, file: 'other.yaml' })).log).toMatchObject({ path: 'b.db' });
  });

  test('texts in YAML take environment variables', async () => {
    write('insideout.config.yaml', yaml);
    vi.stubEnv('SHOP_URL', 'postgres://h/db');
    vi.stubEnv('DATA', '/data');
    const config = await loadConfig({ folder });
    expect(config.sources.shop?.url).toBe('postgres://h/db');
    expect(config.log).toMatchObject({ path: '/data/log.db' });
  });

  test('all environment variables that are missing are named at once', async () => {
    write('insideout.config.yaml', yaml);
    vi.stubEnv('SHOP_URL', undefined);
    vi.stubEnv('DATA', undefined);
    await expect(loadConfig({ folder })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: 'Set SHOP_URL, DATA.',
    });
  });

  test('variables that are missing are told at their paths, and hide nothing else', async () => {
    write(
      'insideout.config.yaml',
      yaml.replace('store: local', `store: "\${STORE}"`).replace('key: [id]', 'key: [no]'),
    );
    for (const name of ['SHOP_URL', 'DATA', 'STORE']) vi.stubEnv(name, undefined);
    const error = await loadConfig({ folder }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      hint: expect.stringMatching(/^Set SHOP_URL, DATA, STORE, and correct the file/),
    });
    expect((error as Error).message.split('\n').slice(1)).toEqual([
      '  sources.shop.url: takes SHOP_URL from the environment, where it is not set',
      '  log.path: takes DATA from the environment, where it is not set',
      '  views.0.store: takes STORE from the environment, where it is not set',
      `  views.0.key: "no" is not among the view's columns: add it to columns`,
    ]);
  });

  test.each([
    ['insideout.config.yaml', yaml.replace(`\${DATA}`, 'data'), ''],
    ['insideout.config.ts', code(`process.env.SHOP_URL ?? ''`), ''],
    ['insideout.config.ts', code(`process.env['SHOP_URL']`), undefined],
  ])('a variable without a value is one problem, and named, in %s', async (name, text, value) => {
    write(name, text);
    vi.stubEnv('SHOP_URL', value);
    const error = (await loadConfig({ folder }).catch((e: unknown) => e)) as InsideoutError;
    expect(error.message.split('\n').slice(1)).toEqual([
      '  sources.shop.url: takes SHOP_URL from the environment, where it is not set',
    ]);
    expect(error.hint).toBe('Set SHOP_URL.');
  });

  test('a variable without a value is no problem where the setting may be empty', async () => {
    const store = `remote: { kind: redis, url: "redis://h", prefix: "\${SHOP_PREFIX}" }`;
    write('insideout.config.yaml', `log: { kind: embedded, path: log.db }\nstores: { ${store} }`);
    vi.stubEnv('SHOP_PREFIX', '');
    expect((await loadConfig({ folder })).stores.remote).toMatchObject({ prefix: '' });
  });

  test.each([
    ['no file at all', undefined, undefined, /There is no insideout\.config\.ts/],
    ['a --config that does not exist', undefined, 'gone.yaml', /There is no file .*gone\.yaml/],
    ['YAML that does not parse', 'log: [', 'c.yaml', /c\.yaml is not YAML/],
    [
      'code that does not parse',
      'export default {',
      'c.ts',
      /c\.ts cannot be loaded: .* in line 1, column \d+$/,
    ],
    ['code that throws', 'throw new Error("on purpose")', 'c.ts', /cannot be loaded: on purpose/],
    ['code that exports nothing', 'export const a = 1', 'c.ts', /c\.ts has/],
  ])('%s is one sentence with its mend', async (_name, text, file, message) => {
    if (text !== undefined) write(file!, text);
    const error = await loadConfig({ folder, file }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
    expect((error as { hint: string }).hint).not.toBe('');
  });
});
