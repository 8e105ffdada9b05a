import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { slotStatus } from '../../connectors/source/postgres/slot.ts';
import { type Lsn, parseLsn } from '../../core/lsn.ts';
import { partitionKey } from '../../core/position.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log, StoredRecord } from '../../log/log.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { capture, slotOf } from '../support/capture.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { sourceStreams } from '../support/source-streams.ts';

const topic = 'shop.public.t';

// A server of its own: every other slot of a shared one would have to read through these transactions.
let server: RunningPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

interface Scene {
  readonly db: TestDatabase;
  readonly log: EmbeddedLog;
  readonly folder: string;
  start(...args: string[]): RunningCli;
  status(): ReturnType<typeof slotStatus>;
}

/** An empty table, a Log, and a config that captures one into the other and on into a view in SQLite. */
async function scene(): Promise<Scene> {
  const db = await createDatabase(server.url);
  const folder = mkdtempSync(join(tmpdir(), 'insideout-large-'));
  const path = join(folder, 'log.db');
  const slot = slotOf(db.url);
  const config = {
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } },
    log: { kind: 'embedded', path },
    stores: { local: { kind: 'sqlite', path: join(folder, 'views.db') } },
    views: [
      { name: 'card', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', pad: 'text' } },
    ],
    http: false,
  };
  // YAML is a superset of JSON.
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query('create table t (id bigint primary key, pad text not null)');
  await db.client.query('set synchronous_commit = off');
  const log = await openEmbeddedLog({ path });
  const started: RunningCli[] = [];
  onTestFinished(async () => {
    for (const cli of started) await cli.end('SIGKILL');
    await log.close();
    await db.drop();
    rmSync(folder, { recursive: true });
  });
  const start = (...args: string[]) => {
    const cli = startCli(args, { cwd: folder });
    started.push(cli);
    return cli;
  };
  return { db, log, folder, start, status: () => slotStatus({ url: db.url, slot }) };
}

const large = { rows: 2_000_000, limitMb: 512 };

test(`one transaction of ${large.rows} rows is captured in less than ${large.limitMb} MB, and acknowledged only when all of it is in the Log`, {
  timeout: 150_000,
}, async () => {
  const { db, log, start, status } = await scene();
  const source = start('source', 'run');
  await sourceStreams(db, slotOf(db.url));
  await db.client.query(`insert into t select g, repeat('x', 100) from generate_series(1, ${large.rows}) g`);
  let commit: Lsn | null = null;
  await eventually(
    `the transaction is acknowledged; output of the source: ${source.output().slice(-400)}`,
    async () => {
      if (source.child.exitCode !== null) throw new Error(`the source ended: ${source.output()}`);
      commit ??= await commitOf(log);
      const { confirmedLsn } = await status();
      const acknowledged = commit !== null && confirmedLsn !== null && confirmedLsn > commit;
      // Asked after the slot was, so what is acknowledged must be there by now.
      if (acknowledged) expect(await appended(log)).toBe(large.rows);
      return acknowledged;
    },
    100,
  );
  expect(peakMb(source.child.pid)).toBeLessThan(large.limitMb);
  expect(await idsSeen(log, large.rows)).toBe(large.rows);
  expect(await source.end('SIGTERM')).toBe(0);
});

test('a process killed in the middle of a large transaction reads all of it again, and the view equals the table', async () => {
  const rows = 300_000;
  const { db, log, folder, start, status } = await scene();
  const killed = start('up');
  await sourceStreams(db, slotOf(db.url));
  await db.client.query(`insert into t select g, md5(g::text) from generate_series(1, ${rows}) g`);
  await eventually('a third of it is in the Log', async () => (await appended(log)) > rows / 3);
  expect(await killed.end('SIGKILL')).toBe(null);
  const part = await appended(log);
  expect(part).toBeLessThan(rows);
  expect((await status()).confirmedLsn).toBeLessThan((await commitOf(log))!);

  // What the transaction wrote must not come back over this when it is read again.
  await db.client.query(`update t set pad = 'later' where id % 1000 = 0; delete from t where id % 1000 = 1`);
  const restarted = start('up');
  const { rows: expected } = await db.client.query(
    `select count(*) || ' ' || md5(string_agg(id || pad, ',' order by id)) as sum from t`,
  );
  await eventually(
    'the view equals the table',
    () => {
      if (restarted.child.exitCode !== null) throw new Error(`it ended: ${restarted.output()}`);
      return sumOf(join(folder, 'views.db')) === expected[0].sum;
    },
    90,
  );
  expect(await appended(log)).toBe(part + rows + (2 * rows) / 1000);
  expect(await idsSeen(log, rows)).toBe(rows);
  expect(await restarted.end('SIGTERM')).toBe(0);
});

test('while the Log is slow no more than a few batches of a large transaction are in memory', async () => {
  const rows = 120_000;
  const { db, log } = await scene();
  const peak = { before: 0, bytes: 0 };
  // 25 records in a millisecond: a fraction of what Postgres sends, so most of the transaction is waiting for it.
  let last = Promise.resolve();
  let appends = 0;
  const slow = withAppend(log, (records) => {
    // A collection takes a while, so not at each one.
    if (appends++ % 4 === 0) peak.bytes = Math.max(peak.bytes, liveBytes() - peak.before);
    last = last.then(() => wait(records.length / 25)).then(() => log.append(records));
    return last;
  });
  const source = capture(slow, { url: db.url, tables: ['public.t'] });
  onTestFinished(() => source.stop());
  await sourceStreams(db, slotOf(db.url));
  peak.before = liveBytes();
  await db.client.query(`insert into t select g, repeat('x', 1000) from generate_series(1, ${rows}) g`);
  await Promise.race([
    source.done,
    eventually(
      'all of it is acknowledged',
      async () => {
        const commit = await commitOf(log);
        return commit !== null && source.acknowledged.some((lsn) => lsn > commit);
      },
      180,
    ),
  ]);
  expect(await appended(log)).toBe(rows);
  expect(peak.bytes / 2 ** 20).toBeLessThan(64);
}, 240_000);

/** The largest resident size that the process ever had. */
function peakMb(pid: number | undefined): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(found?.[1]) / 1024;
}

/** The Log with another way of appending. */
function withAppend(log: Log, append: Log['append']): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'append') return append;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What this process still needs: objects and buffers after a collection of garbage. */
function liveBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The rows of the view as Postgres sums them up; null while there is no view yet. */
function sumOf(path: string): string | null {
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true });
    try {
      const rows = db.prepare('select id || pad from card order by id').pluck().all();
      return `${rows.length} ${createHash('md5').update(rows.join(',')).digest('hex')}`;
    } finally {
      db.close();
    }
  } catch (error) {
    if (/^SQLITE_(CANTOPEN|ERROR|BUSY)/.test(String((error as { code?: unknown }).code))) return null;
    throw error;
  }
}

/** How many records were ever appended, also where compaction has removed some since. */
async function appended(log: Log): Promise<number> {
  return [...(await log.offsets([topic])).values()].reduce((sum, o) => sum + o.end, 0);
}

/** Where in the WAL the records say that their transaction was committed; null before there are any. */
async function commitOf(log: Log): Promise<Lsn | null> {
  if ((await appended(log)) === 0) return null;
  for await (const record of everyRecord(log)) return parseLsn(String(record.headers.lsn));
  return null;
}

/** How many of the inserted ids the Log holds, each counted once. */
async function idsSeen(log: Log, rows: number): Promise<number> {
  const seen = new Uint8Array(rows + 1);
  let distinct = 0;
  for await (const { key } of everyRecord(log)) {
    const id = key === null ? 0 : longAt(key, 5);
    if (id < 1 || id > rows) throw new Error('an id that was never inserted');
    if (seen[id] === 0) distinct++;
    seen[id] = 1;
  }
  return distinct;
}

/** All that the topic holds now. */
async function* everyRecord(log: Log): AsyncGenerator<StoredRecord> {
  const left = new Map([...(await log.offsets([topic]))].filter(([, o]) => o.end > o.first));
  const from = async (name: string, partition: number) => left.get(partitionKey(name, partition))?.first ?? 0;
  const stop = new AbortController();
  try {
    for await (const batch of log.consume({ topics: [topic], from, signal: stop.signal })) {
      yield* batch.records;
      const key = partitionKey(batch.topic, batch.partition);
      if (batch.next >= (left.get(key)?.end ?? 0)) left.delete(key);
      if (left.size === 0) break;
    }
  } finally {
    stop.abort();
  }
}

/** Avro's long: zigzag in groups of seven bits. Small enough here for a number. */
function longAt(bytes: Buffer, start: number): number {
  let raw = 0;
  for (let at = start, scale = 1; ; at++, scale *= 128) {
    const byte = bytes[at] ?? 0;
    raw += (byte & 127) * scale;
    if (byte < 128) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
  }
}
