import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { partitionKey } from '../../../core/position.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { tail } from '../tail.ts';

const topic = 'shop.public.customers';
const poll = { timeout: 5_000, interval: 10 };
const hour = 3_600_000;
const start = 1_700_000_000_000;

async function opened(
  retentionMs?: number,
  cleanup: 'compact' | 'delete' = retentionMs === undefined ? 'compact' : 'delete',
) {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  await log.ensureTopics([
    { name: topic, partitions: 1, cleanup, ...(retentionMs === undefined ? {} : { retentionMs }) },
  ]);
  onTestFinished(async () => {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const append = (key: string, value: string | null, timestamp = start) =>
    log.append([
      {
        topic,
        partition: 0,
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp,
      },
    ]);
  const read = async () => {
    const t = tail(log, { topics: [topic] });
    await expect
      .poll(() => t.batches.at(-1)?.next, poll)
      .toBe((await log.offsets([topic])).get(`${topic}/0`)?.end);
    await t.stop();
    return t.records(topic).map((r) => [r.offset, r.key?.toString(), r.value?.toString() ?? null]);
  };
  return { log, append, read, folder };
}

test('compaction keeps the newest record of each key, and no offset is used again', async () => {
  const { log, append, read } = await opened();
  for (const [key, value] of [
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
    ['b', '4'],
  ] as const)
    await append(key, value);
  expect(await log.clean(topic)).toBe(2);
  expect(await read()).toEqual([
    [2, 'a', '3'],
    [3, 'b', '4'],
  ]);
  await append('b', null);
  await log.clean(topic, { now: start });
  await log.clean(topic, { now: start + 25 * hour });
  expect(await read()).toEqual([[2, 'a', '3']]);
  await append('c', '5');
  expect((await read()).at(-1)).toEqual([5, 'c', '5']);
});

test('a tombstone stays for the whole retention after the first cleaning, however old its change is', async () => {
  const { log, append, read } = await opened();
  await append('a', '1', start - 900 * hour);
  await append('a', null, start - 800 * hour);
  expect(await log.clean(topic, { now: start })).toBe(1);
  await log.clean(topic, { now: start + 23 * hour });
  expect(await read()).toEqual([[1, 'a', null]]);
  expect(await log.clean(topic, { now: start + 24 * hour })).toBe(1);
});

test('a tombstone that came after a cleaning is not dropped with those that it met', async () => {
  const { log, append, read } = await opened();
  await append('a', null);
  await log.clean(topic, { now: start });
  await append('b', null);
  await log.clean(topic, { now: start + 24 * hour });
  expect(await read()).toEqual([[1, 'b', null]]);
});

test('retention drops the oldest records, and a reader that still needs them is told', async () => {
  const { log, append } = await opened(hour);
  for (let i = 0; i < 4; i++) await append(`k${i}`, String(i), start + i * hour);
  expect(await log.clean(topic, { now: start + 3 * hour })).toBe(2);
  expect((await log.offsets([topic])).get(partitionKey(topic, 0))).toEqual({ first: 2, end: 4 });
  for (const from of [0, 1]) {
    const late = tail(log, { topics: [topic], from: { [partitionKey(topic, 0)]: from } });
    await expect(late.done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
  }
  const intime = tail(log, { topics: [topic], from: { [partitionKey(topic, 0)]: 2 } });
  await expect.poll(() => intime.values(topic), poll).toEqual(['2', '3']);
  await intime.stop();
});

test('a compacted topic forgets by age as well: who begins it has what is left, who was behind is told', async () => {
  const { log, append, read } = await opened(hour, 'compact');
  await append('a', '1', start);
  await append('b', '2', start);
  await append('a', '3', start + hour);
  await append('c', '4', start + 2 * hour);
  await append('d', '5', start + 3 * hour);
  expect(await log.clean(topic, { now: start + 3 * hour })).toBe(3);
  expect(await read()).toEqual([
    [3, 'c', '4'],
    [4, 'd', '5'],
  ]);
  for (const from of [1, 2]) {
    const late = tail(log, { topics: [topic], from: { [partitionKey(topic, 0)]: from } });
    await expect(late.done).rejects.toMatchObject({ code: 'VIEW_CHECKPOINT_GAP' });
  }
  // What was overwritten is no gap for who has seen all that went by age.
  await append('c', '6', start + 3 * hour);
  await log.clean(topic, { now: start + 3 * hour });
  const intime = tail(log, { topics: [topic], from: { [partitionKey(topic, 0)]: 3 } });
  await expect.poll(() => intime.values(topic), poll).toEqual(['5', '6']);
  await intime.stop();
  // All of it is gone at last, and the end stays.
  await log.clean(topic, { now: start + 30 * hour });
  expect(await read()).toEqual([]);
  expect((await log.offsets([topic])).get(partitionKey(topic, 0))).toEqual({ first: 6, end: 6 });
});

test('retention of a topic that exists is changed by who ensures it with another, and kept by who says none', async () => {
  const { log, append, read } = await opened();
  await append('a', '1', start);
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact', retentionMs: hour }]);
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  await log.clean(topic, { now: start + 2 * hour });
  expect(await read()).toEqual([]);
});

test('what is too old goes by itself while the Log is open', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  vi.setSystemTime(start);
  const { log, append } = await opened(hour, 'compact');
  await append('a', '1', start);
  vi.setSystemTime(start + 2 * hour);
  await vi.advanceTimersByTimeAsync(hour);
  expect((await log.offsets([topic])).get(partitionKey(topic, 0))).toEqual({ first: 1, end: 1 });
});

test('what cleaning removed is in no file any more', async () => {
  const { log, append, folder } = await opened();
  const bytes = () =>
    readdirSync(folder)
      .map((name) => readFileSync(join(folder, name)).toString('latin1'))
      .join('');
  await append('a', 'alice@example.org');
  await append('a', null);
  expect(bytes()).toContain('alice@example.org');
  await log.clean(topic);
  expect(bytes()).not.toContain('alice@example.org');
});

test('compacting on demand waits for whoever reads what was before, says so, and then it is in no file', async () => {
  const { log, append, folder } = await opened();
  const bytes = () =>
    readdirSync(folder)
      .map((name) => readFileSync(join(folder, name)).toString('latin1'))
      .join('');
  await append('a', 'alice@example.org');
  await append('a', 'bob@example.org');
  await append('b', `${'x'.repeat(20_000)}carol@example.org`);
  await append('b', null);
  // What an open transaction reads, SQLite must keep.
  const other = new Database(join(folder, 'log.db'));
  onTestFinished(() => void other.close());
  other.exec('begin; select count(*) from topics');
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const heldUp: string[] = [];
  let done = false;
  const { signal } = new AbortController();
  const compaction = log
    .compact([topic], {
      signal,
      onHeldUp: ({ code, hint }) => {
        heldUp.push(code);
        expect(hint).not.toBe('');
        other.exec('commit');
      },
    })
    .then(() => {
      done = true;
    });
  const later = () => {
    vi.advanceTimersByTime(100);
    return heldUp.length;
  };
  await expect.poll(later, poll).toBe(1);
  expect(done).toBe(false);
  await compaction;
  expect(heldUp).toEqual(['LOG_UNREACHABLE']);
  for (const gone of ['alice@example.org', 'carol@example.org', 'xxxxx']) expect(bytes()).not.toContain(gone);
  expect(bytes()).toContain('bob@example.org');
});

test('an abort ends the waiting for a reader', async () => {
  const { log, append, folder } = await opened();
  await append('a', '1');
  const other = new Database(join(folder, 'log.db'));
  onTestFinished(() => void other.close());
  other.exec('begin; select count(*) from topics');
  await append('a', '2');
  const stop = new AbortController();
  const compaction = log.compact([topic], { signal: stop.signal });
  const reason = new Error('no longer wanted');
  setImmediate(() => stop.abort(reason));
  await expect(compaction).rejects.toBe(reason);
});

test('a topic of few keys is cleaned by what it holds, however many records it ever had', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
  const path = join(folder, 'log.db');
  const log = await openEmbeddedLog({ path, cleanEveryMs: 5 });
  const db = new Database(path, { readonly: true });
  onTestFinished(async () => {
    db.close();
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  const record = { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from('v'), timestamp: start };
  const held = () =>
    db
      .prepare<[], number>(`select count(*) from ${tableIn(db)}`)
      .pluck()
      .get();
  for (let round = 0; round < 6; round++) {
    await log.append(Array(10_500).fill(record));
    await expect.poll(held, { timeout: 15_000, interval: 10 }).toBe(1);
  }
});

/** The table with the records of the only partition. */
const tableIn = (db: Database.Database): string =>
  db
    .prepare<[], string>(`select name from sqlite_master where type = 'table' and name like 'records%'`)
    .pluck()
    .get()!;
