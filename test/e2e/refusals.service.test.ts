import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { startCli } from '../support/cli.ts';

const secret = 'correct-horse-battery';
let server: RunningPostgres;
let client: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ password: secret, walLevel: 'replica' });
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('create table t (id int primary key)');
});
afterAll(async () => {
  await client?.end();
  await server?.stop();
});

/** Runs `source run` on the url; resolves with the exit code and all that was printed. */
async function run(url: string, source: object = { tables: ['public.t'] }) {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-refusal-'));
  const config = {
    sources: { shop: { kind: 'postgres', url, ...source } },
    log: { kind: 'embedded', path: 'log.db' },
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  const cli = startCli(['source', 'run'], { cwd: folder });
  const code = await cli.exited;
  return { code, output: cli.output() };
}

function expectOneSentence({ output }: { output: string }, message: RegExp, mend: RegExp): void {
  const plain = output.split('\n').filter((line) => !line.startsWith('{') && line !== '');
  expect(plain).toEqual([expect.stringMatching(message), expect.stringMatching(mend)]);
  expect(output).not.toMatch(/\n\s+at /);
  expect(output).not.toContain(secret);
}

test('a wrong password is for an operator: exit code 3, one sentence, the mend, and no secret', async () => {
  const result = await run(server.url.replace(secret, `${secret}-wrong`));
  expect(result.code).toBe(3);
  expectOneSentence(
    result,
    /^error: .*refused the user "postgres" or its password/,
    /^mend: Correct the user and password/,
  );
});

test('wal_level=replica is for an operator, with the statement that mends it, and leaves nothing behind', async () => {
  const result = await run(server.url);
  expect(result.code).toBe(3);
  expectOneSentence(
    result,
    /^error: wal_level is "replica"/,
    /^mend: .*ALTER SYSTEM SET wal_level = 'logical'/,
  );
  const { rows } = await client.query(
    'select (select count(*) from pg_publication)::int as publications, (select count(*) from pg_replication_slots)::int as slots',
  );
  expect(rows).toEqual([{ publications: 0, slots: 0 }]);
});

test('a config with several mistakes lists them all and exits with 2', async () => {
  const result = await run(server.url, { tabels: ['public.t'], partitions: 0 });
  expect(result.code).toBe(2);
  expect(result.output).toContain('sources.shop.tabels');
  expect(result.output).toContain('sources.shop.partitions');
  expect(result.output).not.toContain(secret);
});
