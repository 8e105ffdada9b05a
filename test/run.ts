import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: brings up the servers (vitest's global setup does, and stops what it started); runs every test, one of
 * which builds what is published; and ends with one plain line of counts. Arguments go to vitest.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'insideout-test-'));
const results = join(folder, 'results.json');

const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
const status = run('npx', ['vitest', 'run', ...reporters, ...process.argv.slice(2)]);
const { passed, failed } = count(results);
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${passed} passed, ${failed} failed\n`);
// A run without a test proves nothing.
process.exitCode = status === 0 && failed === 0 && passed > 0 ? 0 : 1;

function run(command: string, args: string[]): number {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** A file that could not even be loaded has no tests; it counts as one that failed. */
function count(file: string): { passed: number; failed: number } {
  const report = read(file);
  if (report === null) return { passed: 0, failed: 0 };
  const broken = report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0);
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

/** Null when vitest ended before it wrote its report, as it does when a server cannot start. */
function read(file: string): Report | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}
