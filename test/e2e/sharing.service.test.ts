import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { freePort } from '../../stack/processes.ts';
import { startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import { rowText, viewRows } from '../support/view-rows.ts';

const { kafka, registry } = servers();
const logs = [
  ['Kafka', { kind: 'kafka', brokers: [kafka], registry: { url: registry } }],
  ['the embedded Log', { kind: 'embedded', path: 'log.db' }],
] as const;

test.each(logs)(
  'two processes of a view share its partitions on %s, and one takes over when the other is killed',
  async (_name, log) => {
    const db = await createDatabase();
    const source = uniqueName('shop');
    const folder = mkdtempSync(join(tmpdir(), 'insideout-sharing-'));
    const shape = { name: 't', key: ['id'], columns: { id: 'bigint', v: 'text' } } as const;
    const config = {
      // Generations are recorded in the Log, which other tests' views of this name share.
      namespace: source,
      sources: { [source]: { kind: 'postgres', url: db.url, tables: ['public.t'], slot: `slot_${db.name}` } },
      log,
      stores: { local: { kind: 'sqlite', path: 'views.db' } },
      views: [{ ...shape, from: `${source}.public.t`, store: 'local' }],
      http: false,
    };
    writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
    await db.client.query(
      "create table t (id bigint primary key, v text); insert into t select g, 'a' from generate_series(1, 500) g",
    );
    const ports = [await freePort(), await freePort()];
    const writer = startCli(['source', 'run'], { cwd: folder });
    const views = ports.map((port) =>
      startCli(['view', 'run', '--http-port', String(port)], { cwd: folder }),
    );
    const applied = async (port: number) => {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`)
        .then((r) => r.text())
        .catch(() => '');
      return Number(/insideout_view_records_total\{view="t",generation="1"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const store = await openSqliteStore({ path: join(folder, 'views.db') });
    try {
      let next = 1_000;
      await eventually(
        'both processes apply something',
        async () => {
          await db.client.query(
            `insert into t select g, 'b' from generate_series($1::bigint, $1::bigint + 19) g`,
            [next],
          );
          next += 20;
          return (await applied(ports[0]!)) > 0 && (await applied(ports[1]!)) > 0;
        },
        60,
      );
      await views[0]!.end('SIGKILL');
      await db.client.query(
        `insert into t select g, 'c' from generate_series(100000, 101000) g; delete from t where id <= 100;
         update t set v = v || id where id % 3 = 0; update t set v = null where id % 7 = 0`,
      );
      const table = (await db.client.query('select id, v from t')).rows
        .map((row) => rowText(shape, row))
        .sort();
      await eventually(
        'the other has taken everything over, and every row of the view is that of the table',
        async () => isDeepStrictEqual(await viewRows(store, shape), table),
        60,
      );
      expect(await views[1]!.end('SIGTERM')).toBe(0);
    } finally {
      for (const cli of [writer, ...views]) cli.child.kill('SIGKILL');
      await store.close();
      await db.drop();
    }
  },
);
