import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a script of package.json with a folder of its own for temporary files; what it leaves there is returned. */
async function demo(script: string, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-demo-test-'));
  // Postgres may run as another user, who must get through.
  chmodSync(folder, 0o755);
  try {
    const { stdout } = await run('npm', ['run', '--silent', script, '--', ...args], {
      cwd: root,
      env: { ...process.env, TMPDIR: folder },
    });
    const { stdout: processes } = await run('ps', ['axeww'], { maxBuffer: 1 << 26 });
    return {
      output: stdout,
      // The loader keeps its cache beside them, and root the server's binaries where another user can run them.
      files: readdirSync(folder).filter((name) => !/^(tsx|node|jiti|insideout-postgres-)/.test(name)),
      processes: processes.split('\n').filter((text) => text.includes(folder)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const left = { files: [], processes: [] };

test('npm run demo loses nothing over a crash, and leaves nothing behind', async () => {
  const { output, ...rest } = await demo('demo');
  expect(output).toMatch(/nothing was lost and nothing doubled/);
  expect(output.match(/lost 0 +doubled or wrong 0/g)).toHaveLength(4);
  expect(rest).toEqual(left);
}, 240_000);

test('npm run demo:rebuild swaps a view three times under a reader that never notices, and leaves nothing behind', async () => {
  const { output, ...rest } = await demo('demo:rebuild');
  expect(output).toMatch(/order_card +changed +1 .* insideout rebuild order_card --promote/);
  expect(output).toMatch(/killed; [\d,]*[1-9][\d,]* of its records are in generation 2/);
  expect(output).toMatch(/\d+ rows differ in status \(\d+\), such as \d+/);
  expect(output).toMatch(/after the rollback: +\{"id":\d+,"customer_id":7,"status":"shipped"/);
  expect(output).toMatch(/forward again: +\{"id":\d+,"customer_id":7,"status":"on its way".*"size":"small"/);
  expect(output).toMatch(/retired generation 1 of order_card/);
  expect(output).toMatch(/in all, the reader saw [\d,]+ answers: 0 errors, 0 empty, 0 of mixed generations/);
  expect(output.match(/lost 0 +doubled or wrong 0/g)).toHaveLength(3);
  expect(rest).toEqual(left);
}, 240_000);

test.each([
  { command: 'demo:gdpr', args: [] },
  { command: 'demo:gdpr -- --stack', args: ['--stack'] },
])(
  'npm run $command erases a customer for good, and leaves nothing behind',
  async ({ args }) => {
    const { output, ...rest } = await demo('demo:gdpr', ...args);
    expect(output).toMatch(/rows of hers: \{"customer_card":1,"order_card":5,"payment":4,"open_order":5\}/);
    for (const when of ['', ', when later ones have arrived', ', in the new generation'])
      expect(output).toMatch(
        new RegExp(`rows of hers${when}: +\\{"customer_card":0,"order_card":0,"payment":0,"open_order":0\\}`),
      );
    expect(output).toMatch(/completed, 1 of public\.customers, 5 of public\.orders, 4 of public\.payments/);
    expect(output).toMatch(/dead letters +\S+\.public\.customers\.dlq +verified/);
    expect(output).toMatch(
      /ok +the chain of 1 certificate is whole\n +\S+: NOT ok, completed\n +topic +\S+\.public\.customers +applied/,
    );
    expect(output).toMatch(/a copy: +the signature of certificate 1 .* it was altered/);
    if (args.length === 0) expect(output).toMatch(/FAIL +certificate 2 .* does not follow the one before it/);
    // What she was is shown before the erasure only.
    const after = output.slice(output.indexOf('Erasing her'));
    expect(after).not.toMatch(/Lovelace|analytical/);
    expect(rest).toEqual(left);
  },
  480_000,
);
