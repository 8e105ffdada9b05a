import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { customersTopic, topic } from '../materializer/customers.ts';
import { runCli, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';

interface Waiting {
  readonly waitingFor: readonly { readonly unit: string; readonly reason: string }[];
}

const env = { LOG_LEVEL: 'silent' };

/** A folder with two configs that differ in what a row is in Redis. YAML is a superset of JSON. */
function project(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-rows-'));
  for (const rows of ['string', 'hash']) {
    const config = {
      log: { kind: 'embedded', path: 'log.db' },
      stores: { remote: { kind: 'redis', url: servers().redis, prefix, rows } },
      rebuild: { maxLag: 0, steadyMs: 0 },
      views: [
        {
          name: 'card',
          from: topic,
          store: 'remote',
          columns: { id: 'bigint', name: 'text', visits: 'int' },
          key: ['id'],
        },
      ],
    };
    writeFileSync(join(folder, `${rows}.config.yaml`), JSON.stringify(config));
  }
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a store that is told to keep other rows goes on with none of the former ones, and a rebuild makes them', async () => {
  const prefix = `${uniqueName('rows')}:`;
  const cwd = project(prefix);
  const log = await openEmbeddedLog({ path: join(cwd, 'log.db') });
  const redis = new Redis(servers().redis);
  const started = new Set<ReturnType<typeof startCli>>();
  onTestFinished(async () => {
    await Promise.all([...started].map((daemon) => daemon.end('SIGKILL')));
    await log.close();
    redis.disconnect();
  });
  const customers = await customersTopic(log);
  const write = (id: number, name: string | null) => log.append([customers.upsert(id, { name, visits: id })]);
  const daemon = async (rows: 'string' | 'hash') => {
    const port = await freePort();
    const args = ['--config', `${rows}.config.yaml`, 'view', 'run', '--http-port', String(port)];
    const cli = startCli(args, { cwd, env });
    started.add(cli);
    const ready = () => fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    return { ...cli, ready };
  };
  const run = async (rows: 'string' | 'hash', ...args: string[]) => {
    const { code, output } = await runCli(['--config', `${rows}.config.yaml`, '--json', ...args], {
      cwd,
      env,
    });
    return { code, answer: JSON.parse(output) };
  };
  const typeOf = (key: string) => redis.type(`${prefix}card:${key}`);

  await write(1, 'Ann');
  const strings = await daemon('string');
  await eventually('the row is there', async () => (await typeOf('{g1}:1')) === 'string');
  await eventually('it is shown', async () => (await strings.ready())?.ok);
  await strings.end('SIGTERM');

  const hashes = await daemon('hash');
  const reason = await eventually('it says what to do', async () => {
    const answer = (await (await hashes.ready())?.json()) as Waiting | undefined;
    return answer?.waitingFor.find((w) => w.reason.includes('was changed'));
  });
  expect(reason).toMatchObject({ unit: 'card' });
  await write(2, null);
  expect((await run('hash', 'plan')).answer).toMatchObject([
    { view: 'card', standing: 'changed', active: 1 },
  ]);
  // What is there is read as what it is.
  const ann = { id: '1', name: 'Ann', visits: 1 };
  expect(await run('hash', 'get', 'card', '1')).toMatchObject({ code: 0, answer: ann });

  const rebuilt = await run('hash', 'rebuild', 'card', '--promote');
  expect(rebuilt).toMatchObject({ code: 0, answer: { promoted: [{ view: 'card', from: 1, to: 2 }] } });
  await eventually('the daemon goes on', async () => (await hashes.ready())?.ok);
  await write(3, 'Cy');
  await eventually('it writes hashes', async () => (await typeOf('{g2}:3')) === 'hash');
  expect(await redis.get(`${prefix}insideout:active:card`)).toBe('2');
  expect(await redis.hget(`${prefix}card:{g2}:1`, 'name')).toBe('Ann');
  expect(await redis.hgetall(`${prefix}card:{g2}:2`)).toEqual({ _p: '0', id: '2', visits: '2' });
  for (const rows of ['string', 'hash'] as const) {
    expect(await run(rows, 'get', 'card', '1')).toMatchObject({ code: 0, answer: ann });
    expect(await run(rows, 'get', 'card', '2')).toMatchObject({
      code: 0,
      answer: { id: '2', name: null, visits: 2 },
    });
  }
  // The former generation stood still, with rows of its own kind alone.
  expect(await Promise.all(['{g1}:1', '{g1}:2', '{g1}:3'].map(typeOf))).toEqual(['string', 'none', 'none']);

  const back = await run('hash', 'rollback', 'card', '--force');
  expect(back).toMatchObject({ code: 0, answer: { moves: [{ view: 'card', from: 2, to: 1 }] } });
  expect(await run('hash', 'get', 'card', '1')).toMatchObject({ code: 0, answer: ann });
});
