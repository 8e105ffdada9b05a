import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { slotStatus } from '../../connectors/source/postgres/slot.ts';
import { type Lsn, parseLsn } from '../../core/lsn.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log, StoredRecord } from '../../log/log.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const rows = 2_000_000;
const limitMb = 512;
const topic = 'shop.public.t';

test(`one transaction of ${rows} rows is captured in less than ${limitMb} MB, and acknowledged only when all of it is in the Log`, {
  timeout: 150_000,
}, async () => {
  // A server of its own: every other slot of a shared one would have to read through this transaction.
  const server = await startPostgres();
  const db = await createDatabase(server.url);
  const folder = mkdtempSync(join(tmpdir(), 'insideout-large-'));
  const slot = `slot_${db.name}`;
  const path = join(folder, 'log.db');
  // YAML is a superset of JSON.
  const config = {
    sources: { shop: { kind: 'postgres', url: db.url, tables: ['public.t'], slot } },
    log: { kind: 'embedded', path },
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query('create table t (id bigint primary key, pad text not null)');
  const source = startCli(['source', 'run'], { cwd: folder });
  const log = await openEmbeddedLog({ path });
  try {
    await eventually('the source streams', async () => (await slotStatus({ url: db.url, slot })).active);
    await db.client.query('set synchronous_commit = off');
    await db.client.query(`insert into t select g, repeat('x', 100) from generate_series(1, ${rows}) g`);
    let commit: Lsn | null = null;
    await eventually(
      `the transaction is acknowledged; output of the source: ${source.output().slice(-400)}`,
      async () => {
        if (source.child.exitCode !== null) throw new Error(`the source ended: ${source.output()}`);
        commit ??= await commitOf(log);
        const { confirmedLsn } = await slotStatus({ url: db.url, slot });
        const acknowledged = commit !== null && confirmedLsn !== null && confirmedLsn > commit;
        // Asked after the slot was, so what is acknowledged must be there by now.
        if (acknowledged) expect(await count(log)).toBe(rows);
        return acknowledged;
      },
      100,
    );
    expect(peakMb(source.child.pid)).toBeLessThan(limitMb);
    expect(await idsSeen(log)).toBe(rows);
    expect(await source.end('SIGTERM')).toBe(0);
  } finally {
    source.child.kill('SIGKILL');
    await source.exited;
    await log.close();
    await db.drop();
    await server.stop();
  }
});

/** The largest resident size that the process ever had. */
function peakMb(pid: number | undefined): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(found?.[1]) / 1024;
}

async function count(log: Log): Promise<number> {
  return [...(await log.offsets([topic])).values()].reduce((sum, o) => sum + o.end - o.first, 0);
}

/** Where in the WAL the records say that their transaction was committed; null before there are any. */
async function commitOf(log: Log): Promise<Lsn | null> {
  if ((await count(log)) === 0) return null;
  for await (const record of everyRecord(log)) return parseLsn(String(record.headers.lsn));
  return null;
}

/** How many of the inserted ids the Log holds, each counted once. */
async function idsSeen(log: Log): Promise<number> {
  const seen = new Uint8Array(rows + 1);
  let distinct = 0;
  let left = await count(log);
  for await (const { key } of everyRecord(log)) {
    const id = key === null ? 0 : longAt(key, 5);
    if (id < 1 || id > rows) throw new Error('an id that was never inserted');
    if (seen[id] === 0) distinct++;
    seen[id] = 1;
    if (--left === 0) break;
  }
  return distinct;
}

async function* everyRecord(log: Log): AsyncGenerator<StoredRecord> {
  const stop = new AbortController();
  try {
    for await (const batch of log.consume({ topics: [topic], from: async () => 0, signal: stop.signal }))
      yield* batch.records;
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
