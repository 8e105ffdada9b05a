import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { tail } from '../tail.ts';

const poll = { timeout: 5_000, interval: 10 };
const topic = 'insideout.view.card.g1';

async function opened() {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
  const path = join(folder, 'log.db');
  const open = async () => {
    const log = await openEmbeddedLog({ path, cleanEveryMs: 20 });
    onTestFinished(() => log.close());
    return log;
  };
  const log = await open();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const create = () => log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  await create();
  const append = (values: readonly string[]) =>
    log.append(
      values.map((value) => ({
        topic,
        partition: 0,
        key: Buffer.from(value),
        value: Buffer.from(value),
        timestamp: 1,
      })),
    );
  return { path, open, log, create, append };
}

function tablesOf(path: string): unknown[] {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare(`select name from sqlite_schema where name like 'records%'`).pluck().all();
  } finally {
    db.close();
  }
}

test('who reads a topic that was deleted and created anew while it was busy is given nothing of the new one', async () => {
  const { open, log, create, append } = await opened();
  await append(['old 0']);
  let release = () => {};
  const busy = new Promise<void>((resolve) => {
    release = resolve;
  });
  const t = tail(await open(), { topics: [topic], work: () => busy });
  await expect.poll(() => t.values(topic), poll).toEqual(['old 0']);
  await log.deleteTopics([topic]);
  await create();
  await append(['new 0', 'new 1']);
  release();
  await expect(t.done).rejects.toMatchObject({ code: 'LOG_TOPIC' });
  expect(t.values(topic)).toEqual(['old 0']);
});

test('a deletion that was cut short is ended by another process, and nothing of the records stays in the file', async () => {
  const { path, open, log, append } = await opened();
  await append(Array.from({ length: 9_000 }, (_, i) => `secret ${i}`));
  const deleting = log.deleteTopics([topic]);
  await log.close();
  await deleting;
  expect(tablesOf(path)).toHaveLength(1);
  const other = await open();
  expect(await other.topics()).toEqual([]);
  await expect.poll(() => tablesOf(path), poll).toEqual([]);
  await other.close();
  expect(readFileSync(path).includes('secret')).toBe(false);
});
