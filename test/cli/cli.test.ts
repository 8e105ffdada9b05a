import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation } from '../../connectors/sink/view-store.ts';
import { loadConfig } from '../../daemon/config/load.ts';
import { loadErasureKey } from '../../deletes/erasure-key.ts';
import { shredder } from '../../deletes/shredding.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { runInProcess as run } from './in-process.ts';

let folder: string;
const home = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-cli-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const config = `
log: { kind: embedded, path: log.db }
stores: { local: { kind: sqlite, path: views.db } }
views:
  - { name: card, from: shop.public.customers, store: local, key: [id], columns: { id: bigint, name: text } }
`;
const writeConfig = (text = config) => writeFileSync(join(folder, 'insideout.config.yaml'), text);

/** A generation of the view, which readers see. */
async function buildView(name = 'card', fill = async (_empty: Generation) => {}): Promise<void> {
  const { views } = await loadConfig({ folder });
  const view = views.find((v) => v.shape.name === name)!.shape;
  const store = await openSqliteStore({ path: join(folder, 'views.db') });
  await fill(await store.open(view, 1));
  await store.promote([{ view, from: null, to: 1 }]);
  await store.close();
}

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
  });

  test.each([
    ['insideout.config.ts', ['--yaml']],
    ['insideout.config.yaml', []],
    ['insideout.config.mjs', []],
  ])('init writes nothing beside %s: only one of them would be read', async (there, options) => {
    writeFileSync(join(folder, there), '');
    const refused = await run(['init', ...options]);
    expect(refused.code).toBe(2);
    expect(refused.err).toBe(`error: ${there} is there already.\nmend: Edit it, or remove it first.\n`);
    expect(readdirSync(folder)).toEqual([there]);
  });

  test('init prints commands that can be run as they stand', async () => {
    const { out } = await run(['init', '--yaml']);
    expect(readdirSync(folder)).toEqual(['insideout.config.yaml']);
    expect(out).toMatch(/`npx insideout doctor` and `npx insideout up`/);
  });

  test.each([
    [['nope', '--help'], 'nope'],
    [['help', 'nope'], 'nope'],
    [['source', 'nope', '--help'], 'nope'],
    [['--json', 'nope', '-h'], 'nope'],
  ])('help for a command that is not there, as in %j, is wrong usage', async (args, name) => {
    const { code, out, err } = await run(args);
    expect(code).toBe(2);
    expect(out + err).toContain(`Unknown command '${name}'.`);
    expect(out).not.toContain('Commands:');
  });

  test('doctor does not promise to create nothing where it creates', async () => {
    expect((await run(['doctor', '--help'])).out.replace(/\s+/g, ' ')).toMatch(
      /changes no data and no settings \(a keyspace that Cassandra lacks is created\)/,
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

  test('status tells no lag and no dead letters when there is no Log to ask', async () => {
    writeConfig();
    expect(JSON.parse((await run(['status', '--json'])).out)).toMatchObject({
      logError: null,
      views: [{ generation: null, lag: null, deadLetters: null }],
    });
    expect(readdirSync(folder)).toEqual(['insideout.config.yaml']);

    await buildView();
    const gone = await run(['status', '--json']);
    expect(gone.code).toBe(1);
    const unknown = [{ name: 'card', generation: 1, lag: null, deadLetters: null, error: null }];
    expect(JSON.parse(gone.out)).toMatchObject({
      logError: expect.stringMatching(/^There is no file .*log\.db/),
      views: unknown,
    });
    expect((await run(['status'])).out).toMatch(/card +local +1 +- +- +lag unknown$/m);

    mkdirSync(join(folder, 'log.db'));
    expect(JSON.parse((await run(['status', '--json'])).out)).toMatchObject({
      logError: expect.any(String),
      views: unknown,
    });
    rmSync(join(folder, 'log.db'), { recursive: true });

    await (await openEmbeddedLog({ path: join(folder, 'log.db') })).close();
    expect(JSON.parse((await run(['status', '--json'])).out)).toMatchObject({
      logError: null,
      views: [{ name: 'card', generation: 1, lag: null, deadLetters: 0, error: null }],
    });
  });

  test('status tells the lag of a view that is fed by another, from the topic that it reads', async () => {
    writeConfig(
      `${config}  - { name: names, from: { view: card }, store: local, key: [id], columns: { id: bigint } }\n`,
    );
    const topic = 'a generation of card';
    const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
    await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
    const record = { topic, partition: 0, key: Buffer.from('k'), value: null, timestamp: 1 };
    await log.append([record, record, record]);
    await log.close();
    await buildView('names', async (generation) => {
      const claim = await generation.claim(topic, 0);
      await generation.apply(claim, { topic, partition: 0, changes: [], from: 0, next: 1 });
    });
    const { views } = JSON.parse((await run(['status', '--json'])).out);
    expect(views).toMatchObject([
      { name: 'card', generation: null },
      { name: 'names', generation: 1, lag: 2, deadLetters: 0 },
    ]);
  });

  test.each([
    [['get', 'card', '1'], 'STORE_UNREACHABLE', /views\.db/],
    [['dlq', 'list'], 'LOG_UNREACHABLE', /log\.db/],
    [['dlq', 'show', 'shop.public.customers', '0', '0'], 'LOG_UNREACHABLE', /log\.db/],
  ])('%j names the file that is missing, with the mend, and creates none', async (args, code, file) => {
    writeConfig();
    const ended = await run([...args, '--json']);
    expect(ended.code).toBe(1);
    const { error } = JSON.parse(ended.out);
    expect(error).toMatchObject({ code, message: expect.stringMatching(file) });
    expect(error.hint).toMatch(/insideout up/);
    expect(readdirSync(folder)).toEqual(['insideout.config.yaml']);
  });

  test('files of secrets that others may read are told by doctor, and stop whoever uses them, with exit code 3', async () => {
    writeConfig(`${config}erasure: { key: erasure.pem, shred: subjects.db }\n`);
    const files = ['erasure.pem', 'erasure.pem.insideout.journal', 'subjects.db'].map((f) => join(folder, f));
    const [key, kept, shred] = files as [string, string, string];
    loadErasureKey(key, { create: true });
    shredder({ keys: shred }).close();
    writeFileSync(kept, '', { mode: 0o600 });
    await (await openEmbeddedLog({ path: join(folder, 'log.db') })).close();
    expect((await run(['doctor'])).out).toMatch(/erasure key.*open to nobody else/);
    for (const file of files) chmodSync(file, 0o644);
    const { code, out } = await run(['doctor']);
    expect(code).toBe(3);
    for (const file of [
      /chmod 600 erasure.pem`/,
      /chmod 600 erasure.pem.insideout.journal`/,
      /chmod 600 subjects.db`/,
    ])
      expect(out).toMatch(file);
    const used = await run(['delete', 'others', '1']);
    expect([used.code, used.err]).toEqual([3, expect.stringMatching(/chmod 600 erasure.pem`/)]);
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
    await buildView();
    await (await openEmbeddedLog({ path: join(folder, 'log.db') })).close();
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
});
