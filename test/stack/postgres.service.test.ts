import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';

let server: RunningPostgres;
beforeAll(async () => {
  server = await startPostgres({ password: 'right' });
});
afterAll(() => server.stop());

test('a private Postgres asks for its password', async () => {
  await expect(value(server.url.replace('right', 'wrong'), 'select 1')).rejects.toMatchObject({
    code: '28P01',
  });
  expect(await value(server.url, 'show wal_level')).toBe('logical');
});

test('what was committed is there after a crash and a restart', async () => {
  await value(server.url, 'create table kept (id int)');
  await value(server.url, 'insert into kept values (1)');
  await server.kill();
  await expect(value(server.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await server.restart();
  expect(await value(server.url, 'select count(*)::int from kept')).toBe(1);
});

async function value(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}
