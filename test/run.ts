import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: builds, because some tests run what is published; brings up the servers; runs every test; and ends
 * with one plain line of counts. Arguments go to vitest.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(tmpdir(), `insideout-test-${process.pid}.json`);
const run = (command: string, args: string[]) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;

if (run('npm', ['run', '--silent', 'build']) !== 0) process.exit(1);
const status = run('npx', [
  'vitest',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${results}`,
  ...process.argv.slice(2),
]);
const { numPassedTests: passed, numFailedTests: failed, numTotalTestSuites: _ } = read(results);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = status === 0 && passed > 0 ? 0 : 1;

function read(file: string): { numPassedTests: number; numFailedTests: number; numTotalTestSuites: number } {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numTotalTestSuites: 0 };
  } finally {
    rmSync(file, { force: true });
  }
}
