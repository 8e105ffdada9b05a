import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../stack/processes.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

const view = {
  name: 't',
  from: 'shop.public.t',
  store: 'local',
  key: ['id'],
  columns: { id: 'bigint' },
} as const;

/** A folder with this config. YAML is a superset of JSON. */
function project(config: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-looking-'));
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify({ http: false, ...config }));
  return folder;
}

const noStack = /(\n|\\n)\s+at /;

test('doctor and status leave the folder and the database as they were, before the first start and after it', async () => {
  const db = await createDatabase();
  const slot = `slot_${db.name}`;
  const cwd = project({
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } },
    log: { kind: 'embedded', path: 'data/log.db' },
    stores: { local: { kind: 'sqlite', path: 'views/all.db' } },
    views: [view],
  });
  const look = async () => ({
    files: readdirSync(cwd, { recursive: true }).map(String).sort(),
    database: (
      await db.client.query(
        `select slot_name, confirmed_flush_lsn from pg_replication_slots where database = current_database()
         union all select pubname, null from pg_publication`,
      )
    ).rows,
  });
  try {
    await db.client.query('create table t (id bigint primary key); insert into t values (1)');
    const untouched = await look();
    expect(untouched).toEqual({ files: ['insideout.config.yaml'], database: [] });
    expect((await runCli(['doctor'], { cwd })).code).toBe(0);
    expect(await look()).toEqual(untouched);
    await runCli(['status'], { cwd });
    expect(await look()).toEqual(untouched);

    const up = startCli(['up'], { cwd });
    await eventually(
      'the row is in the view',
      async () => (await runCli(['get', 't', '1'], { cwd })).code === 0,
    );
    expect(await up.end('SIGTERM')).toBe(0);
    const used = await look();
    expect(used.files).toContain(join('views', 'all.db'));
    for (const command of ['doctor', 'status']) {
      expect(await runCli([command], { cwd })).toMatchObject({ code: 0 });
      expect(await look()).toEqual(used);
    }
  } finally {
    await db.drop();
  }
});

test.each([
  ['refuses connections', async (proxy: { cut(): Promise<void> }) => proxy.cut()],
  ['takes connections and says nothing', async (proxy: { hold(): void }) => proxy.hold()],
])('status answers in time, in a clear word and without a stack, when Kafka %s', async (_what, away) => {
  const proxy = await tcpProxy(servers().kafka);
  const source = uniqueName('shop');
  const cwd = project({
    log: {
      kind: 'kafka',
      brokers: [proxy.address],
      registry: { url: `http://127.0.0.1:${await freePort()}` },
    },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
    views: [{ ...view, from: `${source}.public.t` }],
  });
  try {
    await away(proxy);
    const text = await runCli(['status'], { cwd });
    expect(text.code).toBe(1);
    expect(text.output).toMatch(/^LOG {2}Kafka does not answer while .+\.$/m);
    // What does not need the Log is told all the same.
    expect(text.output).toMatch(/^t +local +/m);
    expect(text.output).not.toMatch(noStack);
    expect(text.seconds).toBeLessThan(20);
    const json = await runCli(['status', '--json'], { cwd });
    expect(json.code).toBe(1);
    expect(JSON.parse(json.output)).toMatchObject({
      logError: expect.stringContaining('Kafka does not answer'),
      views: [{ name: 't', lag: null }],
    });
  } finally {
    await proxy.close();
  }
});
