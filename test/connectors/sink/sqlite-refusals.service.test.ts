import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { runCli } from '../../support/cli.ts';

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-sqlite-refusal-'));
  const config = {
    log: { kind: 'embedded', path: 'log.db' },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await (await openSqliteStore({ path: join(folder, 'views.db') })).close();
});
afterEach(() => {
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

/** What doctor, as an account that owns nothing, says of the store. */
async function doctor(): Promise<string | undefined> {
  const { output } = await runCli(['doctor'], { cwd: folder, unprivileged: true });
  return output.split('\n').find((line) => line.includes('store local'));
}

test('doctor finds a file that can only be read', async () => {
  chmodSync(folder, 0o777);
  chmodSync(join(folder, 'views.db'), 0o444);
  expect(await doctor()).toMatch(/^fail .* cannot be written \(SQLITE_READONLY\)/);
});

test('doctor finds a folder that nothing can be added to, until something can', async () => {
  chmodSync(join(folder, 'views.db'), 0o666);
  chmodSync(folder, 0o555);
  expect(await doctor()).toMatch(/^fail .* cannot be written \(SQLITE_\w+\)/);
  chmodSync(folder, 0o777);
  expect(await doctor()).toMatch(/^ok /);
});

test('a check leaves the file as it is', async () => {
  const path = join(folder, 'views.db');
  const store = await openSqliteStore({ path });
  const reader = new Database(path, { readonly: true });
  const version = () => reader.pragma('data_version', { simple: true });
  const before = version();
  await store.check();
  expect(version()).toBe(before);
  reader.close();
  await store.close();
  expect(existsSync(path)).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(['insideout.config.yaml', 'views.db']);
});
