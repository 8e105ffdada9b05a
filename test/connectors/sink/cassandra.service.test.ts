import { Client } from 'cassandra-driver';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundles } from '../../../connectors/sink/cassandra/cassandra-bundles.ts';
import { planBatch } from '../../../connectors/sink/cassandra/cassandra-plan.ts';
import { statementsOf } from '../../../connectors/sink/cassandra/cassandra-statements.ts';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import type { Generation, ViewStore } from '../../../connectors/sink/view-store.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { fakeClock, viewStoreTtlConformance } from '../../conformance/view-store-ttl.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const { contactPoint, dataCenter } = servers().cassandra;
const keyspace = uniqueName('sink');
const open = (address = contactPoint) =>
  openCassandraStore({ contactPoints: [address], dataCenter, keyspace });

viewStoreConformance('Cassandra', () => open(), { runs: 10, atomic: false });
viewStoreTtlConformance(
  'Cassandra',
  (now) => openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace, now }),
  fakeClock(),
);

let store: ViewStore;
const client = new Client({
  contactPoints: [contactPoint],
  localDataCenter: dataCenter,
  encoding: { useBigIntAsLong: true },
});
beforeAll(async () => {
  store = await open();
  await client.connect();
});
afterAll(async () => {
  await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`).catch(() => {});
  await client.shutdown();
  await store?.close();
});

const freshView = (): ViewShape => ({
  name: uniqueName('v'),
  columns: { id: 'text', a: 'text', b: 'int' },
  key: ['id'],
});
const upsert = (offset: number, id: string, values: Omit<Row, 'id'>): ViewChange => ({
  op: 'upsert',
  offset,
  key: [id],
  row: { id, a: null, b: null, ...values },
});
const batchOf = (from: number, changes: readonly ViewChange[]) => ({
  topic: 't',
  partition: 0,
  from,
  next: from + changes.length,
  changes,
});

async function rowsOf(generation: Generation): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of generation.scan()) rows.push(row);
  return rows.sort((x, y) => (String(x.id) < String(y.id) ? -1 : 1));
}

test('the statements of any pieces of the log, in any order and number, leave what one clean run leaves', async () => {
  const change = fc.record({
    id: fc.constantFrom('k1', 'k2', 'k3'),
    a: fc.option(fc.string({ maxLength: 3 })),
    b: fc.option(fc.integer({ min: 0, max: 9 })),
    removes: fc.boolean(),
  });
  const piece = fc.tuple(fc.nat(19), fc.integer({ min: 1, max: 8 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 12, maxLength: 20 }),
      fc.array(piece, { minLength: 5, maxLength: 8 }),
      fc.nat(6),
      async (history, pieces, at) => {
        const changes = history.map(
          ({ id, a, b, removes }, offset): ViewChange =>
            removes ? { op: 'delete', offset, key: [id] } : upsert(offset, id, { a, b }),
        );
        const model = new Map<string, Row>();
        for (const c of changes)
          if (c.op === 'upsert') model.set(String(c.key[0]), c.row);
          else if (c.op === 'delete') model.delete(String(c.key[0]));
        const view = freshView();
        const generation = await store.open(view, 1);
        const { write } = statementsOf(`${keyspace}."${view.name}_g1"`, view);
        // Pieces in the order of the list, the whole log somewhere among them.
        const ranges = pieces.toSpliced(at, 0, [0, changes.length]);
        for (const [start, length] of ranges) {
          const from = start % changes.length;
          for (const row of planBatch(changes.slice(from, from + length), 0).rows) {
            const { query, params } = write(row, 0);
            await client.execute(query, params, { prepare: true });
          }
        }
        expect(await rowsOf(generation)).toEqual(
          [...model.values()].sort((x, y) => (x.id! < y.id! ? -1 : 1)),
        );
      },
    ),
    { numRuns: 10 },
  );
});

test('rows travel together as far as a node warns of nothing, whatever their sizes', async () => {
  const columns = Object.fromEntries([['id', 'text'], ...'abcdef'.split('').map((name) => [name, 'text'])]);
  const view: ViewShape = { name: uniqueName('v'), columns, key: ['id'] };
  await store.open(view, 1);
  const { parts } = statementsOf(`${keyspace}."${view.name}_g1"`, view);
  const sizes = new Set<number>();
  for (const length of [0, 1, 20, 60, 100, 200, 400, 700])
    for (const character of ['x', 'é', '€']) {
      const rows = Array.from({ length: 20 }, (_, offset) => {
        const id = `${length} ${character} ${offset}`;
        const values = Object.fromEntries(
          'abcdef'.split('').map((n) => [n, n === 'f' ? null : character.repeat(length)]),
        );
        return { op: 'upsert' as const, offset, key: [id], row: { id, ...values } };
      });
      for (const bundle of bundles(rows)) {
        const statements = bundle.flatMap((change) => parts(change, 0));
        const { info } = await client.batch(statements, { prepare: true, logged: false });
        if (bundle.length > 1) expect(info.warnings ?? []).toEqual([]);
        sizes.add(bundle.length);
      }
    }
  expect(Math.max(...sizes)).toBe(10);
});

test('a fenced writer whose writes arrive late changes nothing', async () => {
  const proxy = await tcpProxy(contactPoint);
  const zombieStore = await open(proxy.address);
  const view = freshView();
  const zombie = await zombieStore.open(view, 1);
  const changes = Array.from({ length: 1_000 }, (_, i) => upsert(i, `k${i}`, { a: 'old', b: i }));
  const claim = await zombie.claim('t', 0);
  const held = new Promise<void>((resolve) =>
    proxy.after(20_000, () => {
      proxy.hold();
      resolve();
    }),
  );
  const late = zombie.apply(claim, batchOf(0, changes)).catch((error: unknown) => error);
  await held;
  const heir = await store.open(view, 1);
  const taken = await heir.claim('t', 0);
  expect(taken.next).toBe(0);
  await heir.apply(taken, batchOf(0, changes));
  const after = changes.map(
    (_, i): ViewChange =>
      i % 2 === 0
        ? { op: 'delete', offset: 1_000 + i, key: [`k${i}`] }
        : upsert(1_000 + i, `k${i}`, { a: 'new', b: null }),
  );
  await heir.apply(taken, batchOf(1_000, after));
  const expected = await rowsOf(heir);
  expect(expected.length).toBe(500);
  proxy.release();
  expect(await late).toMatchObject({ code: 'VIEW_FENCED' });
  expect(await rowsOf(heir)).toEqual(expected);
  expect((await heir.checkpoint()).get('t/0')).toBe(2_000);
  await zombieStore.close();
  await proxy.close();
});

test('one row that cannot be stored is named as such, without its values, and the checkpoint stays', async () => {
  const generation = await store.open(freshView(), 1);
  const claim = await generation.claim('t', 0);
  const unstorable = [upsert(1, '', { a: 'empty key' }), upsert(1, 'secret-key', { a: 'x'.repeat(5 << 20) })];
  for (const bad of unstorable) {
    const error: unknown = await generation
      .apply(claim, batchOf(0, [upsert(0, 'fine', {}), bad]))
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'RECORD_UNSTORABLE' });
    expect((error as Error).cause).toBeUndefined();
    expect((await generation.checkpoint()).get('t/0')).toBe(0);
  }
  await generation.apply(claim, batchOf(0, [upsert(0, 'fine', {})]));
});

test('a table that somebody dropped is not blamed on the records', async () => {
  const view = freshView();
  const generation = await store.open(view, 1);
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, batchOf(0, [upsert(0, 'k', {})]));
  await client.execute(`DROP TABLE ${keyspace}."${view.name}_g1"`);
  await expect(generation.apply(claim, batchOf(1, [upsert(1, 'k', {})]))).rejects.toMatchObject({
    code: 'STORE_REFUSED',
  });
});

test('a writer of a generation that was dropped is fenced', async () => {
  const view = freshView();
  const generation = await store.open(view, 1);
  const claim = await generation.claim('t', 0);
  await store.drop(view.name, 1);
  await expect(generation.apply(claim, batchOf(0, [upsert(0, 'k', {})]))).rejects.toMatchObject({
    code: 'VIEW_FENCED',
  });
});

test('empty text and null are kept apart', async () => {
  const generation = await store.open(freshView(), 1);
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, batchOf(0, [upsert(0, 'empty', { a: '' }), upsert(1, 'null', { a: null })]));
  expect(await rowsOf(generation)).toEqual([
    { id: 'empty', a: '', b: null },
    { id: 'null', a: null, b: null },
  ]);
});

test('partitions that are claimed at the same time are all claimed, and no two epochs are equal', async () => {
  const view = freshView();
  const writers = await Promise.all([store.open(view, 1), store.open(view, 1)]);
  const claims = await Promise.all(
    writers.flatMap((g) => [0, 1, 2, 3].map((partition) => g.claim('t', partition))),
  );
  expect(new Set(claims.map((c) => `${c.partition}:${c.epoch}`)).size).toBe(8);
  expect((await writers[0]!.checkpoint()).size).toBe(4);
});

test('what an operator must mend is told apart from what passes', async () => {
  const wrong = { contactPoints: [contactPoint], keyspace, dataCenter: 'nowhere' };
  await expect(openCassandraStore(wrong)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  await expect(open('127.0.0.1:1')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
});

test('Cassandra itself ends a row, at its time plus the ttl, with null columns or without', async () => {
  const view: ViewShape = {
    name: uniqueName('v'),
    columns: { id: 'text', a: 'text', at: 'timestamp' },
    key: ['id'],
    ttl: { column: 'at', ms: 3_600_000 },
  };
  const generation = await store.open(view, 1);
  const past = (ms: number) => new Date(Date.now() - 3_600_000 + ms).toISOString();
  const rows: Row[] = [
    { id: 'whole', a: 'x', at: past(600_000) },
    { id: 'null', a: null, at: past(600_000) },
    { id: 'soon', a: null, at: past(1_500) },
    { id: 'never', a: 'x', at: null },
    { id: 'too far', a: 'x', at: '2040-01-01 00:00:00+00' },
  ];
  const changes = rows.map((row, offset): ViewChange => ({ op: 'upsert', offset, key: [row.id!], row }));
  await generation.apply(await generation.claim('t', 0), batchOf(0, changes));
  const table = `${keyspace}."${view.name}_g1"`;
  const left = await client.execute(`SELECT id, TTL("_partition") AS left FROM ${table}`);
  const seconds = new Map(left.rows.map((row) => [row.id as string, row.left as number | null]));
  for (const id of ['whole', 'null']) {
    expect(seconds.get(id)).toBeGreaterThan(500);
    expect(seconds.get(id)).toBeLessThanOrEqual(600);
  }
  for (const id of ['never', 'too far']) expect(seconds.get(id)).toBeNull();
  await eventually('the row is gone from the table', async () => {
    const found = await client.execute(`SELECT id FROM ${table} WHERE id = 'soon'`);
    return found.rowLength === 0;
  });
  expect((await rowsOf(generation)).map((row) => row.id)).toEqual(['never', 'null', 'too far', 'whole']);
});
