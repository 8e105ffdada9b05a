import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { customersTopic, recordsOf, topic } from '../materializer/customers.ts';
import { startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

const columns = { id: 'bigint', v: 'text' } as const;

test('a store that is away stops its own view only, is waited for, and catches up; a drain ends in time', async () => {
  const db = await createDatabase();
  const proxy = await tcpProxy(new URL(servers().redis).host);
  const folder = mkdtempSync(join(tmpdir(), 'insideout-outage-'));
  const prefix = `${uniqueName('o')}:`;
  const port = await freePort();
  const view = (store: string) => ({
    name: `t_${store}`,
    from: 'shop.public.t',
    store,
    key: ['id'],
    columns,
  });
  const config = {
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
    log: { kind: 'embedded', path: 'log.db' },
    stores: {
      local: { kind: 'sqlite', path: 'views.db' },
      remote: { kind: 'redis', url: `redis://${proxy.address}`, prefix },
    },
    views: [view('local'), view('remote')],
    http: { port },
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query(
    "create table t (id bigint primary key, v text); insert into t select g, 'first' from generate_series(1, 100) g",
  );
  const cli = startCli(['up'], { cwd: folder });
  const ready = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    return response ? { status: response.status, body: await response.text() } : null;
  };
  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const [local, remote] = [
    await openSqliteStore({ path: join(folder, 'views.db') }),
    await openRedisStore({ url: servers().redis, prefix }),
  ];
  const countOf = async (store: typeof local, name: string) => {
    const active = await store.active(name);
    return active === null ? -1 : (await store.open({ name, columns, key: ['id'] }, active)).count();
  };
  try {
    await eventually(
      'both views are built',
      async () => (await countOf(local, 't_local')) === 100 && (await countOf(remote, 't_remote')) === 100,
    );
    await eventually('it is ready', async () => (await ready())?.status === 200);

    await proxy.cut();
    await db.client.query("insert into t select g, 'second' from generate_series(101, 200) g");
    await eventually('the other view goes on', async () => (await countOf(local, 't_local')) === 200);
    const away = await eventually('it is not ready, and says why', async () => {
      const answer = await ready();
      return answer?.status === 503 && answer.body.includes('t_remote') && answer;
    });
    expect(away.body).toContain('does not answer');
    expect(await countOf(remote, 't_remote')).toBe(100);

    await proxy.restore();
    await eventually('the view catches up', async () => (await countOf(remote, 't_remote')) === 200);
    await eventually('it is ready again', async () => (await ready())?.status === 200);
    expect(await metrics()).not.toContain('insideout_view_dead_letters_total{');

    // A drain under load ends by itself, with exit code 0.
    const load = db.client.query("insert into t select g, 'third' from generate_series(1000, 60000) g");
    const asked = Date.now();
    expect(await cli.end('SIGTERM')).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    await load;
  } finally {
    cli.child.kill('SIGKILL');
    await Promise.all([local.close(), remote.close(), proxy.close()]);
    await db.drop();
  }
});

test('when the drain hangs on a store that does not answer, a second signal stops at once', async () => {
  const proxy = await tcpProxy(new URL(servers().redis).host);
  const db = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'insideout-hang-'));
  const prefix = `${uniqueName('h')}:`;
  const config = {
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
    log: { kind: 'embedded', path: 'log.db' },
    stores: { remote: { kind: 'redis', url: `redis://${proxy.address}`, prefix } },
    views: [{ name: 't', from: 'shop.public.t', store: 'remote', key: ['id'], columns }],
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query("create table t (id bigint primary key, v text); insert into t values (1, 'a')");
  const cli = startCli(['up'], { cwd: folder });
  const remote = await openRedisStore({ url: servers().redis, prefix });
  try {
    await eventually('the view is built', async () => (await remote.active('t')) !== null);
    const generation = await remote.open({ name: 't', columns, key: ['id'] }, 1);
    await eventually('the row is there', async () => (await generation.count()) === 1);
    const before = proxy.sent();
    proxy.hold();
    await db.client.query("insert into t values (2, 'b')");
    await eventually('the write hangs', () => proxy.sent() > before);
    cli.child.kill('SIGTERM');
    await eventually('it drains', () => cli.output().includes('draining'));
    const asked = Date.now();
    const code = await cli.end('SIGTERM');
    expect(Date.now() - asked).toBeLessThan(2_000);
    expect(code).toBe(1);
  } finally {
    cli.child.kill('SIGKILL');
    await Promise.all([remote.close(), proxy.close()]);
    await db.drop();
  }
});

test('a store that has stalled shows in the lag of its view and in readiness, and a restart at the end tells a lag of 0', async () => {
  const proxy = await tcpProxy(new URL(servers().redis).host);
  const folder = mkdtempSync(join(tmpdir(), 'insideout-stall-'));
  const port = await freePort();
  const config = {
    log: { kind: 'embedded', path: 'log.db' },
    stores: { remote: { kind: 'redis', url: `redis://${proxy.address}`, prefix: `${uniqueName('s')}:` } },
    views: [{ name: 'card', from: topic, store: 'remote', key: ['id'], columns: { id: 'bigint' } }],
    http: { port },
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  const customers = await customersTopic(log);
  const append = (id: number) =>
    log.append(recordsOf({ op: 'upsert', id, customer: { name: 'n', visits: 1 } }, customers));
  const at = `http://127.0.0.1:${port}`;
  const lag = async () => {
    const text = await fetch(`${at}/metrics`).then(
      (r) => r.text(),
      () => '',
    );
    return /^insideout_view_lag_records\{.*\} (\d+)$/m.exec(text)?.[1];
  };
  const notReady = async () => {
    const response = await fetch(`${at}/readyz`).catch(() => null);
    return response?.status === 503 && (await response.text());
  };
  const ready = async () => (await fetch(`${at}/readyz`).catch(() => null))?.status === 200;
  let run = startCli(['view', 'run'], { cwd: folder });
  try {
    await append(1);
    await eventually('it is caught up', async () => (await lag()) === '0' && (await ready()));
    const before = proxy.sent();
    proxy.hold();
    await append(2);
    await eventually('a write hangs', () => proxy.sent() > before);
    for (let id = 3; id <= 50; id++) await append(id);
    await eventually('all that waits is told', async () => (await lag()) === '49');
    const stuck = await eventually('it is not ready', notReady);
    expect(stuck).toMatch(/is 49 records behind and has not moved|does not answer/);
    proxy.release();
    await eventually('it catches up', async () => (await lag()) === '0' && (await ready()));
    expect(await run.end('SIGTERM')).toBe(0);
    run = startCli(['view', 'run'], { cwd: folder });
    await eventually('nothing waits', async () => (await lag()) === '0' && (await ready()));
    expect(await run.end('SIGTERM')).toBe(0);
  } finally {
    run.child.kill('SIGKILL');
    await Promise.all([log.close(), proxy.close()]);
  }
});
