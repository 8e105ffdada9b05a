import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { tableOf } from '../support/capture.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

/** What `/readyz` answers on a port; null while nothing listens. */
async function readyz(port: number): Promise<{ status: number; waitingFor: unknown[] } | null> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  return response && { status: response.status, ...((await response.json()) as { waitingFor: unknown[] }) };
}

/** A source behind a proxy, in a folder of its own, with an embedded Log. */
async function proxiedSource(db: TestDatabase) {
  const proxy = await tcpProxy(new URL(db.url).host);
  const port = await freePort();
  const cwd = mkdtempSync(join(tmpdir(), 'insideout-away-'));
  const url = db.url.replace(new URL(db.url).host, proxy.address);
  const slot = `slot_${db.name}`;
  const config = {
    sources: { shop: { kind: 'postgres', url, tables: ['public.t'], slot } },
    log: { kind: 'embedded', path: 'log.db' },
    http: { port },
  };
  writeFileSync(join(cwd, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query("create table t (id bigint primary key, v text); insert into t values (1, 'a')");
  const log = await openEmbeddedLog({ path: join(cwd, 'log.db') });
  return {
    proxy,
    port,
    slot,
    start: () => startCli(['source', 'run'], { cwd }),
    has: (id: number) =>
      eventually(`row ${id} is in the Log`, async () =>
        (await log.topics()).includes('shop.public.t')
          ? (await tableOf(log, 'shop.public.t')).has(`{"id":${id}}`)
          : false,
      ),
    close: async () => {
      await Promise.all([log.close(), proxy.close()]);
      await db.drop();
    },
  };
}

test('a source that starts while Postgres is down waits with growing pauses, says so, and works once it is up', async () => {
  const source = await proxiedSource(await createDatabase());
  await source.proxy.cut();
  const cli = source.start();
  try {
    const waits = await eventually('it has tried four times', () => {
      const lines = linesOf(cli).filter((line) => line.level === 'warn');
      return lines.length >= 4 && lines;
    });
    waits.forEach((line, i) => {
      expect(line).toMatchObject({ source: 'shop', code: 'SOURCE_UNREACHABLE' });
      expect(line.msg).toMatch(/^Postgres at 127\.0\.0\.1:\d+ does not answer .*ECONNREFUSED/);
      // Doubling from 0.2 s, with jitter down to the half.
      expect(line.delayMs).toBeGreaterThanOrEqual(100 * 2 ** i);
      expect(line.delayMs).toBeLessThanOrEqual(200 * 2 ** i);
    });
    expect(await readyz(source.port)).toMatchObject({
      status: 503,
      waitingFor: [{ kind: 'source', unit: 'shop', reason: expect.stringContaining('does not answer') }],
    });
    expect(cli.child.exitCode).toBe(null);

    await source.proxy.restore();
    await source.has(1);
    await eventually('it is ready', async () => (await readyz(source.port))?.status === 200);
    expect(cli.output()).not.toMatch(/(\n|\\n)\s+at /);
    expect(await cli.end('SIGTERM')).toBe(0);
  } finally {
    cli.child.kill('SIGKILL');
    await source.close();
  }
});

test('readiness is lost with the connection to the slot and comes back with it, and nothing is missed meanwhile', async () => {
  const db = await createDatabase();
  const source = await proxiedSource(db);
  const cli = source.start();
  const status = async () => (await readyz(source.port))?.status;
  const walsender = async () => {
    const { rows } = await db.client.query(
      'select active_pid from pg_replication_slots where slot_name = $1',
      [source.slot],
    );
    return (rows[0]?.active_pid as string | null) ?? null;
  };
  try {
    await source.has(1);
    await eventually('it is ready', async () => (await status()) === 200);

    const former = await eventually('it reads the slot', walsender);
    // Asked all the time from before on: at its shortest the loss lasts 0.1 s.
    const lost = eventually('it is not ready', async () => (await status()) === 503);
    await db.client.query('select pg_terminate_backend($1)', [former]);
    await lost;
    await eventually('it is ready again', async () => (await status()) === 200);
    expect(await walsender()).not.toBe(former);
    await db.client.query("insert into t values (2, 'b')");
    await source.has(2);

    await source.proxy.cut();
    await db.client.query("insert into t values (3, 'c')");
    await eventually(
      'it is not ready while Postgres cannot be reached',
      async () => (await status()) === 503,
    );
    await eventually('it has tried again', () => linesOf(cli).filter((l) => l.level === 'warn').length >= 3);
    expect(await readyz(source.port)).toMatchObject({
      status: 503,
      waitingFor: [{ kind: 'source', unit: 'shop' }],
    });
    await source.proxy.restore();
    await eventually('it is ready once more', async () => (await status()) === 200);
    await source.has(3);
    expect(await cli.end('SIGTERM')).toBe(0);
  } finally {
    cli.child.kill('SIGKILL');
    await source.close();
  }
});

/** The JSON lines that it logged so far. */
const linesOf = (cli: RunningCli): { level: string; msg: string; delayMs: number }[] =>
  cli
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
