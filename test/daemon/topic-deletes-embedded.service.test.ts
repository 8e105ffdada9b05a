import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '../../core/partition.ts';
import { checkConfig } from '../../daemon/config/check.ts';
import { Erasures } from '../../daemon/erasures.ts';
import { runDaemon } from '../../daemon/run.ts';
import { deletesTopic, signDelete } from '../../deletes/deletes-topic.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { runInProcess } from '../cli/in-process.ts';
import { recordsOf } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';

const topic = 'crm.contacts';
const secret = 'a-secret-of-the-crm';
let folder: string;
let log: EmbeddedLog;
let daemon: { stop(): Promise<void>; url: string };

const settings = (port: number) => ({
  log: { kind: 'embedded', path: join(folder, 'log.db') },
  stores: { local: { kind: 'sqlite', path: join(folder, 'views.db') } },
  views: [
    { name: 'contact', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', mail: 'text' } },
  ],
  erasure: { key: join(folder, 'key.pem') },
  deletes: { tokens: { crm: secret } },
  http: { port },
});
const keySchema = (name: string, type = 'long') =>
  ({ type: 'record', name, fields: [{ name: 'id', type }] }) as AvroSchema;
const valueSchema = {
  type: 'record',
  name: 'Contact',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'mail', type: 'string' },
  ],
} as AvroSchema;

async function framed(subject: string, schema: AvroSchema, value: object): Promise<Buffer> {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(await log.schemas.register(subject, schema), 1);
  return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer(value)]);
}

/** A contact as some other program writes it, in a partition of its own choice. */
async function contact(id: number, options: { partition?: number; schema?: AvroSchema } = {}): Promise<void> {
  const { schema = keySchema('Key') } = options;
  const key = await framed(`crm.${(schema as { name: string }).name}`, schema, { id });
  const value = await framed('crm.contacts-value', valueSchema, { id, mail: `mail-${id}@example.com` });
  const partition = options.partition ?? partitionOf(key, 3);
  await log.append([{ topic, partition, key, value, timestamp: Date.now() }]);
}

const inView = (): number[] => {
  if (!existsSync(join(folder, 'views.db'))) return [];
  const db = new Database(join(folder, 'views.db'), { readonly: true });
  try {
    return db.prepare<[], number>('select id from contact order by id').pluck().all();
  } catch {
    return [];
  } finally {
    db.close();
  }
};

async function start(cleanup: 'compact' | 'delete' = 'compact'): Promise<void> {
  await log.ensureTopics([{ name: topic, partitions: 3, cleanup, retentionMs: -1 }]);
  for (const id of [1, 2, 3]) await contact(id);
  const port = await freePort();
  const config = checkConfig(settings(port), 'test');
  const stop = new AbortController();
  const running = runDaemon({
    config,
    sources: [],
    views: config.views,
    hooks: {},
    logger: pino({ level: 'silent' }),
    signal: stop.signal,
  });
  daemon = {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      stop.abort();
      expect(await running).toEqual([]);
    },
  };
  await eventually('the view is there', () => inView().length === 3);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-topic-deletes-'));
  log = await openEmbeddedLog({ path: join(folder, 'log.db') });
});
afterEach(async () => {
  await daemon.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});

const ask = async (body: unknown, options: { token?: string; topic?: string } = {}) => {
  const response = await fetch(`${daemon.url}/v1/topics/${options.topic ?? topic}/keys`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${options.token ?? secret}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : null };
};

async function withErasures<T>(work: (erasures: Erasures) => Promise<T>): Promise<T> {
  const erasures = await Erasures.open(checkConfig(settings(0), 'test'));
  try {
    return await work(erasures);
  } finally {
    await erasures.close();
  }
}
const signal = AbortSignal.timeout(60_000);
const finish = (ids: readonly string[]) =>
  withErasures(async (erasures) => {
    await erasures.finish(ids, signal);
    return { erasures: ids.map((id) => erasures.erasure(id)), chain: erasures.journal.state.chain };
  });

test('a key that is deleted over HTTP leaves the view, the topic after compaction, and gets a certificate without it', async () => {
  await start();
  const answer = await ask({ keys: [{ id: 2 }] });
  expect(answer).toMatchObject({ status: 202, json: { erasures: [{ phase: 'passed' }] } });
  await eventually('it leaves the view', () => inView().join() === '1,3');
  const [erasure] = (await finish([answer.json.erasures[0].id])).erasures;
  expect(erasure).toMatchObject({ phase: 'completed', kind: 'topic', subject: topic });
  expect(erasure!.by).toMatch(/^token crm through /);
  const places = erasure!.places.map((p) => [p.kind, p.name, p.state]);
  expect(places).toContainEqual(['topic', topic, 'verified']);
  expect(places).toContainEqual(['generation', 'local/contact g1', 'verified']);
  expect(JSON.stringify(erasure!.certificate)).not.toContain('mail-2');
  const left = await recordsOf(log, topic);
  expect(left.some((r) => r.value?.includes('mail-2'))).toBe(false);
  expect(left.filter((r) => r.value)).toHaveLength(2);

  // It does not come back, until that is allowed.
  await contact(2);
  await contact(4);
  await eventually('the fourth is there', () => inView().includes(4));
  expect(inView()).toEqual([1, 3, 4]);
});

test('a tombstone follows every record of the key, whatever its partition and key schema', async () => {
  await start();
  await contact(2, { partition: 0 });
  await contact(2, { partition: 1 });
  await contact(2, { schema: keySchema('OldKey', 'int'), partition: 2 });
  const erasures = await withErasures((e) => e.deleteKeys(topic, [['2']], signal));
  const records = await recordsOf(log, topic);
  const hers = records.filter((r) => r.value?.includes('mail-2'));
  expect(hers).toHaveLength(4);
  for (const { partition, key, offset } of hers)
    expect(
      records.some(
        (r) => r.partition === partition && r.key!.equals(key!) && r.offset > offset && r.value === null,
      ),
    ).toBe(true);
  await finish(erasures.map((e) => e.id));
  const left = await recordsOf(log, topic);
  expect(left.filter((r) => r.value?.includes('mail-2'))).toEqual([]);
  expect(left.filter((r) => r.value)).toHaveLength(2);
  await eventually('it leaves the view', () => inView().join() === '1,3');
});

test('HTTP answers 401, 404 and 422 with a sentence, and deletes nothing then', async () => {
  await start();
  const key = { keys: [{ id: 2 }] };
  expect(await ask(key, { token: 'a-secret-of-another' })).toMatchObject({
    status: 401,
    json: { error: expect.stringMatching(/bearer token/) },
  });
  expect((await ask(key, { token: '' })).status).toBe(401);
  expect(await ask(key, { topic: 'crm.nothing' })).toMatchObject({
    status: 404,
    json: { error: 'There is no topic "crm.nothing" in the Log.' },
  });
  for (const body of [
    'no json',
    {},
    { keys: [] },
    { keys: [2] },
    { keys: [{ id: 'two' }] },
    { keys: [{ id: 1 }, { no: 2 }] },
    { keys: [{ id: 2 ** 60 }] },
    { keys: [{ id: 'x'.repeat(2_000_000) }] },
  ])
    expect((await ask(body)).status).toBe(422);
  expect((await ask(key, { topic: '__insideout.views' })).status).toBe(422);
  expect((await recordsOf(log, topic)).filter((r) => r.value === null)).toEqual([]);
  expect(await withErasures(async (e) => e.journal.state.erasures.size)).toBe(0);
});

test('a signed record in the deletes topic deletes once, and is gone from there; any other is refused and gone, too', async () => {
  await start();
  const requests = deletesTopic('insideout');
  const token = { name: 'crm', secret };
  const good = signDelete({ topic, key: { id: 1 } }, token);
  const forged = signDelete({ topic, key: { id: 3 } }, { name: 'crm', secret: 'a-guess-of-somebody' });
  const altered = signDelete({ topic, key: { id: 3 } }, token);
  const record = (r: { key: Buffer; value: Buffer }) => ({
    ...r,
    topic: requests,
    partition: 0,
    timestamp: 1,
  });
  await eventually('the topic is there', async () => (await log.partitions([requests])).size > 0);
  await log.append([
    record(forged),
    record({ ...altered, value: Buffer.from(altered.value.toString().replace('"id":3', '"id":2')) }),
    record({ key: Buffer.from('x'), value: Buffer.from('not json') }),
    record(good),
    record({ key: Buffer.from('y'), value: good.value }),
  ]);
  await eventually('it leaves the view', () => inView().join() === '2,3');
  await eventually('all are dealt with', async () =>
    (await recordsOf(log, requests)).slice(-5).every((r) => r.value === null),
  );
  // Replayed, it is known already.
  await log.append([record(good)]);
  await eventually('it is dealt with', async () => (await recordsOf(log, requests)).at(-1)!.value === null);
  // Nor does it get at an erasure of another topic or source by giving its id.
  const id = good.key.toString();
  await log.ensureTopics([{ name: 'crm.others', partitions: 1, cleanup: 'compact' }]);
  await log.append([record(signDelete({ topic: 'crm.others', key: { id: 2 }, id }, token))]);
  await eventually('it is dealt with', async () => (await recordsOf(log, requests)).at(-1)!.value === null);
  const ids = await withErasures(async (e) => [...e.journal.state.erasures.keys()]);
  expect(ids).toEqual([good.key.toString()]);
  const { erasures } = await finish(ids);
  expect(erasures[0]!.places).toContainEqual(
    expect.objectContaining({ kind: 'topic', name: requests, state: 'verified' }),
  );
  expect((await recordsOf(log, requests)).filter((r) => r.value)).toEqual([]);
});

test('one that was interrupted before its tombstones is gone on with, though only hashes are known', async () => {
  await start();
  const id = await withErasures(async (e) => {
    const [done] = await e.deleteKeys(topic, [{ id: 3 }], signal);
    await e.journal.record({
      type: 'requested',
      erasure: 'interrupted',
      subject: topic,
      subjectHash: done!.subjectHash,
      kind: 'topic',
      source: null,
      deletes: true,
    });
    return done!.id;
  });
  await contact(3);
  const { erasures } = await finish([id, 'interrupted']);
  expect(erasures.map((e) => e.phase)).toEqual(['completed', 'completed']);
  expect((await recordsOf(log, topic)).filter((r) => r.value?.includes('mail-3'))).toEqual([]);
});

test('a topic that cannot be compacted keeps its erasure from a certificate while its records are there', async () => {
  await start('delete');
  const erasures = await withErasures((e) => e.deleteKeys(topic, [{ id: 2 }], signal));
  const [erasure] = (await finish(erasures.map((e) => e.id))).erasures;
  await eventually('it leaves the view', () => inView().join() === '1,3');
  expect(erasure!.phase).toBe('passed');
  expect(erasure!.places).toContainEqual(
    expect.objectContaining({
      kind: 'topic',
      name: topic,
      state: 'applied',
      reason: expect.stringMatching(/not compacted/),
    }),
  );
});

test('the command takes the values of the key or JSON, waits for the certificate, and refuses the rest with exit code 2', async () => {
  await start();
  const file = join(folder, 'insideout.config.yaml');
  writeFileSync(file, JSON.stringify(settings(0)));
  const run = (...args: string[]) => runInProcess(['--config', file, ...args]);
  const done = await run('delete', topic, '2', '--wait', '--json');
  expect(done.code).toBe(0);
  expect(JSON.parse(done.out)).toMatchObject([
    {
      subject: topic,
      source: null,
      phase: 'completed',
      rows: { [topic]: 1 },
      certificate: { body: { number: 1 } },
    },
  ]);
  const begun = await run('delete', topic, '--json-key', '{"id":"3"}');
  expect(begun.out).toMatch(
    /: passed, 1 of crm\.contacts\n {2}a running `insideout up` goes on with it, or: insideout erasure finish [0-9a-f]{8}/,
  );
  expect((await run('erasure', 'finish')).code).toBe(0);
  expect((await run('erasure', 'verify')).code).toBe(0);
  expect(inView()).toEqual([1]);
  for (const wrong of [
    ['delete', topic],
    ['delete', topic, '1', '--json-key', '{"id":1}'],
    ['delete', topic, '--json-key', '[1]'],
    ['delete', topic, 'one'],
    ['delete', topic, '1', '2'],
    ['delete', '__insideout.erasures', '1'],
  ])
    expect([wrong, await run(...wrong)]).toEqual([wrong, expect.objectContaining({ code: 2, out: '' })]);
  expect((await run('delete', topic, 'one')).err).toContain('mend: Give id, each as');
  expect((await recordsOf(log, topic)).filter((r) => r.value)).toHaveLength(1);
});
