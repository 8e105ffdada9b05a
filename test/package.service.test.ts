import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
let app: string;

/** Unpacks the tarball that would be published beside the dependencies, as an installation does. */
beforeAll(async () => {
  if (!existsSync(join(root, 'dist'))) await run('npm', ['run', 'build'], { cwd: root });
  const folder = mkdtempSync(join(tmpdir(), 'insideout-package-'));
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  await run('tar', ['xzf', readdirSync(folder).find((f) => f.endsWith('.tgz'))!], { cwd: folder });
  app = join(folder, 'app');
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== 'insideout' && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
  symlinkSync(join(folder, 'package'), join(app, 'node_modules', 'insideout'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'package', 'node_modules'));
});

const insideout = (...args: string[]) =>
  run(process.execPath, [join(app, 'node_modules', 'insideout', 'dist', 'cli', 'main.js'), ...args], {
    cwd: app,
  });
const typecheck = () =>
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', app]);

test('what is published runs by itself, and its config has types', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect((await insideout('--version')).stdout.trim()).toBe(version);
  await insideout('init');
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

test('the tarball holds what users need and nothing else', () => {
  const names = readdirSync(join(app, '..', 'package')).filter((name) => name !== 'node_modules');
  expect(names.sort()).toEqual([
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'docs',
    'package.json',
  ]);
});
