import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../../core/errors.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { Log, LogRecord } from '../../../log/log.ts';
import {
  countDeadLetters,
  readDeadLetters,
  removeDeadLetters,
  writeDeadLetters,
} from '../../../materializer/apply/dead-letters.ts';
import { silentObserver } from '../../../materializer/apply/observer.ts';
import { runView } from '../../support/run-view.ts';
import {
  activeOf,
  type Customers,
  cardOf,
  caughtUp,
  customerCard,
  customersTopic,
  framed,
  rowsOf,
  temporaryFolder,
  topic,
  until,
} from '../customers.ts';
import { faulty, unreachable, unstorable } from '../faults.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
let files = 0;
let log: Log;
let store: ViewStore;
let customers: Customers;
beforeEach(async () => {
  log = await openEmbeddedLog({ path: folder.path(`log${files++}.db`) });
  store = openMemoryStore();
  customers = await customersTopic(log);
});
afterEach(() => log.close());

function start(over: { log?: Log; store?: ViewStore } = {}) {
  const stopping = new AbortController();
  const codes: string[] = [];
  const ended = runView({
    view: customerCard,
    log: over.log ?? log,
    store: over.store ?? store,
    backoff: { first: 2, longest: 10 },
    signal: stopping.signal,
    observe: { ...silentObserver, deadLettered: ({ error }) => void codes.push(error.code) },
  }).then(
    () => null,
    (error: unknown) => error as Error,
  );
  const stop = () => {
    stopping.abort();
    return ended;
  };
  return { codes, ended, stop };
}

async function runToTheEnd(over: { log?: Log; store?: ViewStore } = {}) {
  const run = start(over);
  await until(() => caughtUp(log, store), 'caught up');
  expect(await run.stop()).toBeNull();
  return run;
}

/** The Log with some of its methods replaced. */
function logWith(replaced: Partial<Log>): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name in replaced) return replaced[name as keyof Log];
      const found = Reflect.get(target, name) as unknown;
      return typeof found === 'function' ? (found as (...args: unknown[]) => unknown).bind(target) : found;
    },
  });
}

const named = (id: number, name: string): LogRecord => customers.upsert(id, { name, visits: id });

test('what can never be applied is set aside with its reason, and the view goes on', async () => {
  const noise = customers.raw(2, Buffer.from('no Avro'));
  const cut = customers.raw(3, named(3, 'three').value!.subarray(0, 8));
  const thrown = named(4, 'boom');
  const unknown = customers.raw(5, framed(999, Buffer.alloc(3)));
  const refused = named(6, 'six');
  await log.append([named(1, 'one'), noise, cut, thrown, unknown, refused, named(7, 'seven')]);
  const picky = faulty(store, (_op, _call, batch) =>
    batch?.changes.some((c) => c.op === 'upsert' && c.key[0] === 6n)
      ? { kind: 'reject', error: unstorable() }
      : null,
  );
  const { codes } = await runToTheEnd({ store: picky });
  expect(await rowsOf(store)).toEqual([
    cardOf(1, { name: 'one', visits: 1 }),
    cardOf(7, { name: 'seven', visits: 7 }),
  ]);
  const letters = await readDeadLetters(log, topic);
  expect(letters.map((l) => [l.offset, l.stage, l.code, l.attempts])).toEqual([
    [1, 'decode', 'RECORD_UNDECODABLE', 1],
    [2, 'decode', 'RECORD_UNDECODABLE', 1],
    [3, 'convert', 'RECORD_UNCONVERTIBLE', 1],
    [4, 'decode', 'SCHEMA_UNKNOWN', 4],
    [5, 'store', 'RECORD_UNSTORABLE', 1],
  ]);
  expect(codes).toEqual(letters.map((l) => l.code));
  expect(await countDeadLetters(log, topic)).toMatchObject({ total: 5 });
  const [first] = letters;
  expect(first).toMatchObject({ topic, partition: 0, view: 'customer_card' });
  expect([first!.key, first!.value]).toEqual([noise.key, noise.value]);
  expect(Object.fromEntries(Object.entries(first!.headers).map(([k, v]) => [k, v.toString()]))).toEqual(
    noise.headers,
  );
  expect(Math.abs(first!.time - Date.now())).toBeLessThan(60_000);
  for (const letter of letters) expect(letter.message).not.toContain('secret');
});

test('a store that refuses one record of many is asked about few others', async () => {
  await log.append(Array.from({ length: 1000 }, (_, n) => named(n, `n${n}`)));
  let calls = 0;
  const picky = faulty(store, (_op, _call, batch) => {
    calls++;
    return batch?.changes.some((c) => c.op === 'upsert' && c.key[0] === 777n)
      ? { kind: 'reject', error: unstorable() }
      : null;
  });
  await runToTheEnd({ store: picky });
  expect(await (await activeOf(store)).count()).toBe(999);
  expect((await readDeadLetters(log, topic)).map((l) => l.offset)).toEqual([777]);
  expect(calls).toBeLessThan(30);
});

test('a store that goes down while the bad record is looked for sets aside nothing else', async () => {
  await log.append(Array.from({ length: 64 }, (_, n) => named(n, `n${n}`)));
  // Every second answer is lost.
  const flaky = faulty(store, (op, call) =>
    op === 'apply' && call % 2 === 1 ? { kind: 'failAfterWrite', error: unreachable() } : null,
  );
  const strict = faulty(flaky, (_op, _call, batch) =>
    batch?.changes.some((c) => c.op === 'upsert' && c.key[0] === 40n)
      ? { kind: 'reject', error: unstorable() }
      : null,
  );
  await runToTheEnd({ store: strict });
  expect(await (await activeOf(store)).count()).toBe(63);
  expect((await readDeadLetters(log, topic)).map((l) => l.offset)).toEqual([40]);
});

test('the checkpoint never passes a record before its dead letter is durable', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = false;
  const slow = logWith({
    append: async (records) => {
      asked = true;
      await held;
      await log.append(records);
    },
  });
  await log.append([named(1, 'one'), customers.raw(2, Buffer.from('noise'))]);
  const run = start({ log: slow });
  await until(() => asked, 'the letter is being appended');
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  expect((await (await activeOf(store)).checkpoint()).get(`${topic}/0`) ?? 0).toBeLessThan(2);
  release();
  await until(() => caughtUp(log, store), 'caught up');
  expect(await run.stop()).toBeNull();
  expect(await readDeadLetters(log, topic)).toHaveLength(1);
});

test('a Log that does not take the letter is waited for', async () => {
  // As the contract has it: after a rejection every append rejects until `recover` was called.
  let down = 3;
  let latched = false;
  const shaky = logWith({
    append: async (records) => {
      if (latched || down-- > 0) {
        latched = true;
        throw new InsideoutError('LOG_UNREACHABLE', 'The Log is down.', { hint: 'Wait.' });
      }
      await log.append(records);
    },
    recover: async () => {
      latched = false;
    },
  });
  await log.append([customers.raw(2, Buffer.from('noise')), named(1, 'one')]);
  await runToTheEnd({ log: shaky });
  expect(await readDeadLetters(log, topic)).toHaveLength(1);
  expect(await (await activeOf(store)).count()).toBe(1);
});

test('a letter that is too large is kept without its value', async () => {
  const limit = (records: readonly LogRecord[]) => {
    if (records.some((r) => (r.value?.length ?? 0) > 100))
      return Promise.reject(new InsideoutError('LOG_RECORD_TOO_LARGE', 'Too large.', { hint: 'Shrink.' }));
    return log.append(records);
  };
  await log.append([customers.raw(1, Buffer.alloc(101, 1)), customers.raw(2, Buffer.from('small'))]);
  await runToTheEnd({ log: logWith({ append: limit }) });
  const letters = await readDeadLetters(log, topic);
  expect(letters.map((l) => [l.offset, l.value?.toString() ?? null])).toEqual([
    [0, null],
    [1, 'small'],
  ]);
});

test('a record that was set aside again after a crash is listed once, and of many the first are listed', async () => {
  const error = new InsideoutError('RECORD_UNDECODABLE', 'Noise.', { hint: 'Look.' });
  const failed = (offset: number, view = 'v') => ({
    topic,
    partition: 0,
    view,
    record: { offset, key: null, value: null, headers: {}, timestamp: 0 },
    stage: 'decode' as const,
    error,
    attempts: 1,
  });
  await writeDeadLetters(log, [failed(3), failed(4)], 1);
  await writeDeadLetters(log, [failed(3), failed(4, 'w')], 2);
  const letters = await readDeadLetters(log, topic);
  expect(letters.map((l) => [l.offset, l.view, l.time, l.key])).toEqual([
    [3, 'v', 2, null],
    [4, 'v', 1, null],
    [4, 'w', 2, null],
  ]);
  expect(await readDeadLetters(log, topic, { limit: 1 })).toHaveLength(1);
});

test('removed letters are in no file any more, and the others stay, also those of tombstones', async () => {
  const path = folder.path('removed');
  const own = await openEmbeddedLog({ path: `${path}/log.db` });
  onTestFinished(() => own.close());
  const bytes = () =>
    readdirSync(path)
      .map((name) => readFileSync(`${path}/${name}`).toString('latin1'))
      .join('');
  const failed = (offset: number, record: { key: string; value: string | null; header?: string }) => ({
    topic,
    partition: 3,
    view: 'v',
    record: {
      offset,
      key: Buffer.from(record.key),
      value: record.value === null ? null : Buffer.from(record.value),
      headers: { op: record.header ?? 'u' },
      timestamp: 0,
    },
    stage: 'decode' as const,
    error: new InsideoutError('RECORD_UNDECODABLE', 'Noise.', { hint: 'Look.' }),
    attempts: 1,
  });
  const erased = { key: 'alice-key', value: 'alice-value', header: 'alice-header' };
  await writeDeadLetters(own, [failed(1, erased), failed(2, { key: 'bob-key', value: 'bob-value' })]);
  // Set aside again after a crash, so that there are two records of the letter.
  await writeDeadLetters(own, [failed(1, erased), failed(3, { key: 'carol-key', value: null })]);
  const letters = await readDeadLetters(own, topic);
  expect(bytes()).toContain('alice');
  const { signal } = new AbortController();
  await removeDeadLetters(own, [...letters.filter((l) => l.offset === 1), { ...letters[0]!, offset: 9 }], {
    signal,
  });
  for (const gone of ['alice-key', 'alice-value', 'alice-header']) expect(bytes()).not.toContain(gone);
  const read = async () =>
    (await readDeadLetters(own, topic)).map((l) => [l.offset, String(l.key), l.value && String(l.value)]);
  const others = [
    [2, 'bob-key', 'bob-value'],
    [3, 'carol-key', null],
  ];
  expect(await read()).toEqual(others);
  expect(await countDeadLetters(own, topic)).toEqual({ byView: new Map([['v', 2]]), total: 2 });
  // All that the Log holds of them is more.
  expect(await countDeadLetters(own, topic, 2)).toEqual({ byView: null, total: 5 });
  // The letter of a tombstone is none itself.
  await own.clean(`${topic}.dlq`, { now: Date.now() + 48 * 3_600_000 });
  expect(await read()).toEqual(others);
});

test('removing letters of a topic that has none does nothing', async () => {
  const letter = { topic, partition: 0, offset: 1, view: 'v' };
  await removeDeadLetters(log, [letter], { signal: new AbortController().signal });
  expect(await log.partitions([`${topic}.dlq`])).toEqual(new Map());
});

test('a topic without dead letters reads as none', async () => {
  expect(await readDeadLetters(log, topic)).toEqual([]);
  expect(await countDeadLetters(log, topic)).toEqual({ byView: new Map(), total: 0 });
});
