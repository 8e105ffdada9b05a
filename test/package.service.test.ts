import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase } from './support/database.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'insideout-package-'));
const app = join(folder, 'app');
const stale = 'left-by-an-older-build.js';

/** Packs as publishing does, which builds first, and unpacks it beside the dependencies, as installing does. */
beforeAll(async () => {
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(join(root, 'dist', stale), '');
  await run('npm', ['pack', '--pack-destination', folder], { cwd: root });
  await run('tar', ['xzf', readdirSync(folder).find((f) => f.endsWith('.tgz'))!], { cwd: folder });
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== 'insideout' && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
  symlinkSync(join(folder, 'package'), join(app, 'node_modules', 'insideout'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'package', 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const main = join(app, 'node_modules', 'insideout', 'dist', 'cli', 'main.js');
const insideout = (args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
  run(process.execPath, [main, ...args], { cwd: app, ...options });
const typecheck = () =>
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', app]);

test('what is published runs by itself, and its config has types', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect((await insideout(['--version'])).stdout.trim()).toBe(version);
  await insideout(['init']);
  const options = {
    module: 'NodeNext',
    target: 'ES2022',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  };
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['insideout.config.ts'] }),
  );
  await typecheck();
  const file = join(app, 'insideout.config.ts');
  writeFileSync(file, readFileSync(file, 'utf8').replace('customer.name', 'customer.surname'));
  await expect(typecheck()).rejects.toMatchObject({
    stdout: expect.stringContaining("Property 'surname' does not exist"),
  });
});

test('in a fresh folder its doctor finds what is well and what is not, and creates nothing', async () => {
  const fresh = join(folder, 'fresh');
  mkdirSync(fresh);
  await insideout(['init'], { cwd: fresh });
  const db = await createDatabase();
  try {
    const doctor = () => insideout(['doctor'], { cwd: fresh, env: { ...process.env, DATABASE_URL: db.url } });
    await expect(doctor()).rejects.toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^fail .*public\.customers.*\n +mend: /m),
    });
    await db.client.query('create table customers (id bigint primary key, name text, email text)');
    const { stdout } = await doctor();
    expect(stdout).toMatch(/^ok .*store local/m);
    expect(stdout).not.toMatch(/^fail/m);
  } finally {
    await db.drop();
  }
  expect(readdirSync(fresh)).toEqual(['insideout.config.ts']);
});

test('the tarball holds what users need and nothing else', () => {
  const names = readdirSync(join(folder, 'package')).filter((name) => name !== 'node_modules');
  expect(names.sort()).toEqual([
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'docs',
    'package.json',
  ]);
  expect(existsSync(join(folder, 'package', 'dist', stale))).toBe(false);
});
