import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../daemon/config/load.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

// Every command is a process of its own, and a busy machine takes seconds to start one.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', tsx, main, ...args], {
    cwd: folder,
    env: { ...process.env, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  /** Resolves with what stderr holds once it matches; the child's end counts as a failure. */
  const said = (what: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      child.stderr.on('data', () => {
        const match = what.exec(err);
        if (match) resolve(match);
      });
      child.on('close', () => reject(new Error(`it ended without saying ${what}: ${err}`)));
    });
  child.stderr.on('data', (bytes) => {
    err += bytes;
  });
  return { child, ended, said };
}
const run = (args: readonly string[], env?: Record<string, string>) => start(args, env).ended;

const config = `
log: { kind: embedded, path: log.db }
stores: { local: { kind: sqlite, path: views.db } }
views:
  - { name: card, from: shop.public.customers, store: local, key: [id], columns: { id: bigint, name: text } }
`;
const writeConfig = (text = config) => writeFileSync(join(folder, 'insideout.config.yaml'), text);

describe('the command line', () => {
  test.each([
    [['--help'], /Commands:/],
    [['init', '--help'], /--yaml/],
    [['doctor', '--help'], /--json/],
    [['up', '--help'], /--http-port/],
    [['source', 'run', '--help'], /--resnapshot/],
    [['view', 'run', '--help'], /\[names\.\.\.\]/],
    [['status', '--help'], /--config/],
    [['get', '--help'], /<key\.\.\.>/],
    [['slot', 'drop', '--help'], /--yes/],
    [['dlq', 'list', '--help'], /\[topic\]/],
    [['dlq', 'show', '--help'], /<partition>/],
  ])('%j explains itself and exits with 0', async (args, what) => {
    const { code, out } = await run(args);
    expect(out).toMatch(what);
    expect(code).toBe(0);
  });

  test('wrong usage is one sentence with its mend, and exit code 2', async () => {
    const wrong = await run(['get']);
    expect(wrong).toMatchObject({ code: 2, out: '' });
    expect(wrong.err).toMatch(/^error: Missing required argument 'view'\.\nmend: .+\n$/);
    const json = await run(['status', '--json', '--nothing']);
    expect(json).toMatchObject({ code: 2, err: '' });
    expect(JSON.parse(json.out)).toEqual({
      error: { code: 'USAGE', message: "Unknown option '--nothing'.", hint: expect.any(String) },
    });
  });

  test('a missing or wrong config exits with 2 and shows no stack', async () => {
    const missing = await run(['status']);
    expect(missing.code).toBe(2);
    expect(missing.err).toMatch(
      /^error: There is no insideout\.config\.ts .+\nmend: Run `insideout init`.+\n$/,
    );
    writeConfig(`${config}\nviewz: 1`);
    const wrong = await run(['up', '--json']);
    expect(wrong).toMatchObject({ code: 2, err: '' });
    expect(JSON.parse(wrong.out).error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('viewz: is not a known setting'),
    });
  });

  test('the stack shows only when it was asked for', async () => {
    expect((await run(['status'])).err).not.toContain('    at ');
    expect((await run(['status'], { LOG_LEVEL: 'debug' })).err).toContain('    at ');
  });

  test('init writes a config that loads, and never over another', async () => {
    expect((await run(['init'])).code).toBe(0);
    const file = join(folder, 'insideout.config.ts');
    const written = readFileSync(file, 'utf8').replace("process.env.DATABASE_URL ?? ''", "'postgres://h/db'");
    writeFileSync(file, written);
    expect((await loadConfig({ folder })).views).toHaveLength(1);
    const again = await run(['init']);
    expect(again.code).toBe(2);
    expect(again.err).toMatch(/is there already\.\nmend: /);
    expect(readFileSync(file, 'utf8')).toBe(written);
    expect(JSON.parse((await run(['init', '--yaml', '--json'])).out).file).toMatch(
      /insideout\.config\.yaml$/,
    );
  });

  test('status reads the log and the stores while no daemon runs', async () => {
    writeConfig();
    const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
    await log.ensureTopics([{ name: 'shop.public.customers', partitions: 2, cleanup: 'compact' }]);
    await log.append([
      { topic: 'shop.public.customers', partition: 1, key: Buffer.from('k'), value: null, timestamp: 1 },
    ]);
    await log.close();
    const { code, out } = await run(['status', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      topics: [{ name: 'shop.public.customers', partitions: 2, ends: [0, 1] }],
      views: [{ name: 'card', generation: null, deadLetters: 0, error: null }],
    });
    expect((await run(['status'])).out).toMatch(/TOPIC +PARTITIONS +RECORDS/);
  });

  test('doctor exits with 3 and names the mend when the database does not answer', async () => {
    writeConfig(`sources: { shop: { kind: postgres, url: "postgres://u:s3cret@127.0.0.1:1/db" } }${config}`);
    const { code, out, err } = await run(['doctor']);
    expect(code).toBe(3);
    expect(out).toMatch(/^fail {2}source shop: connection: .+\n +mend: .+$/m);
    expect(out).toMatch(/^ok {4}store local: /m);
    expect(out + err).not.toContain('s3cret');
  });

  test('get, source, slot and dlq refuse what the config does not have', async () => {
    writeConfig();
    expect((await run(['get', 'nothing', '1'])).err).toBe(
      'error: There is no view "nothing" in the config.\nmend: Known: card.\n',
    );
    expect((await run(['get', 'card', 'abc'])).code).toBe(2);
    expect(await run(['get', 'card', '1', '--json'])).toMatchObject({ code: 1, out: 'null\n' });
    expect((await run(['source', 'run'])).code).toBe(2);
    expect((await run(['slot', 'drop', '--yes'])).code).toBe(2);
    expect(await run(['dlq', 'list', '--json'])).toMatchObject({ code: 0, out: '[]\n' });
    expect((await run(['dlq', 'show', 't', '0', '0'])).code).toBe(2);
  });

  test('a daemon answers its probes, logs JSON, and drains on SIGTERM with exit code 0', async () => {
    writeConfig();
    const { child, ended, said } = start(['view', 'run', '--http-port', '0']);
    const [, url] = await said(/"address":"([^"]+)"/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('insideout_view_lag_records');
    child.kill('SIGTERM');
    const { code, err } = await ended;
    expect(code).toBe(0);
    for (const line of err.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    expect(existsSync(join(folder, 'views.db'))).toBe(true);
  });
});
