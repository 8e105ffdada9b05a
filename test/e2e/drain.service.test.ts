import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { slotStatus } from '../../connectors/source/postgres/slot.ts';
import { type Lsn, parseLsn } from '../../core/lsn.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { recordsOf, tableOf } from '../support/capture.ts';
import { startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import { sourceStreams } from '../support/source-streams.ts';
import { rowText, viewRows } from '../support/view-rows.ts';

const { kafka, registry } = servers();
const shape = {
  name: 't',
  key: ['id'],
  columns: { id: 'bigint', n: 'int', v: 'text' },
} as const;
const drains = 2;

test.each(['kafka', 'embedded'])(
  'drained again and again while writers go on, it has acknowledged only what the Log (%s) holds, and ends equal to the table',
  async (kind) => {
    const db = await createDatabase();
    const source = uniqueName('shop');
    const topic = `${source}.public.t`;
    const folder = mkdtempSync(join(tmpdir(), 'insideout-drain-'));
    const slot = `slot_${db.name}`;
    const kafkaLog = { brokers: [kafka], registry: { url: registry } };
    const config = {
      // Generations are recorded in the Log, which other tests' views of this name share.
      namespace: source,
      sources: { [source]: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } },
      log: kind === 'kafka' ? { kind, ...kafkaLog } : { kind, path: 'log.db' },
      stores: { local: { kind: 'sqlite', path: 'views.db' } },
      views: [{ ...shape, from: topic, store: 'local' }],
      http: false,
    };
    // YAML is a superset of JSON.
    writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
    await db.client.query(
      "create table t (id bigint primary key, n int, v text); insert into t select g, 0, 'first' from generate_series(1, 500) g",
    );
    let up = startCli(['up'], { cwd: folder });
    const log =
      kind === 'kafka'
        ? await openKafkaLog(kafkaLog)
        : await openEmbeddedLog({ path: join(folder, 'log.db') });
    const store = await openSqliteStore({ path: join(folder, 'views.db') });
    const stop = new AbortController();
    let writing: Promise<void>[] = [];
    try {
      await sourceStreams(db, slot);
      await createWitness(db, source);
      writing = [1, 2].map((seed) => write(db, seed, stop.signal));
      for (let i = 0; i < drains; i++) {
        const before = (await slotStatus({ url: db.url, slot })).confirmedLsn!;
        await eventually('load passes through it', async () => {
          const { confirmedLsn } = await slotStatus({ url: db.url, slot });
          return confirmedLsn! > before + 50_000n;
        });
        expect(await up.end('SIGTERM')).toBe(0);
        const { confirmedLsn } = await slotStatus({ url: db.url, slot });
        const logged = new Set((await recordsOf(log, topic)).map((r) => parseLsn(r.headers.lsn!.toString())));
        const committed = await eventually('the writers have gone on meanwhile', async () => {
          const commits = await witnessed(db, source);
          return commits.some((lsn) => lsn >= confirmedLsn!) && commits;
        });
        // What Postgres will not send again, it was told of: so the Log has to hold it.
        const acknowledged = committed.filter((lsn) => lsn < confirmedLsn!);
        expect(acknowledged.length).toBeGreaterThan(20);
        expect(acknowledged.filter((lsn) => !logged.has(lsn))).toEqual([]);
        // And it was told of all that was finished: only the transaction that was cut is sent a second time.
        expect([...logged].filter((lsn) => lsn >= confirmedLsn!).length).toBeLessThanOrEqual(1);
        up = startCli(['up'], { cwd: folder });
        await sourceStreams(db, slot);
      }
      stop.abort();
      await Promise.all(writing);

      const table = (await db.client.query('select id, n, v from t')).rows
        .map((row) => rowText(shape, { ...row, n: Number(row.n) }))
        .sort();
      expect(table.length).toBeGreaterThan(500);
      await eventually(`the view has ${table.length} rows`, async () => {
        const rows = await viewRows(store, shape);
        return rows !== null && rows.join('\n') === table.join('\n');
      });
      const logged = [...(await tableOf(log, topic)).values()].map((row) => rowText(shape, row)).sort();
      expect(logged).toEqual(table);
      expect(await up.end('SIGTERM')).toBe(0);
    } finally {
      stop.abort();
      up.child.kill('SIGKILL');
      await Promise.allSettled(writing);
      await Promise.all([log.close(), store.close()]);
      await db.drop();
    }
  },
);

/** Writes one small transaction after the other; some of several statements, some of deletes, some of new keys. */
async function write(db: TestDatabase, seed: number, signal: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  for (let i = 0; !signal.aborted; i++) {
    const own = 1_000_000 * seed + i;
    const shared = 1 + ((i * 7 + seed) % 500);
    await client.query(
      `begin; insert into t values (${own}, ${i}, 'new'); update t set n = n + 1, v = 'by ${own}' where id = ${shared};
       delete from t where id = ${own - 3} and ${own} % 2 = 0; commit`,
    );
  }
  await client.end();
}

/** A second slot that nobody reads: it remembers, independent of us, what was committed from now on. */
async function createWitness(db: TestDatabase, source: string): Promise<void> {
  await db.client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [witness(source)]);
}

/** LSNs of all commits to the table since then; a commit message's final LSN is at its third byte. */
async function witnessed(db: TestDatabase, source: string): Promise<Lsn[]> {
  const { rows } = await db.client.query(
    `select encode(substring(data from 3 for 8), 'hex') as lsn
     from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2)
     where get_byte(data, 0) = ascii('C')`,
    [witness(source), `insideout_${source}`],
  );
  return rows.map((row) => BigInt(`0x${row.lsn}`) as Lsn);
}

const witness = (source: string): string => `witness_${source}`;
