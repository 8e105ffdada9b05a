import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Columns, ColumnType } from '../../../core/column.ts';
import type { Row, Value } from '../../../core/value.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { LogRecord, StoredRecord } from '../../../log/log.ts';
import { Decoder } from '../../../materializer/apply/decoder.ts';
import { viewTopicEncoder } from '../../../materializer/apply/view-topic.ts';
import { defineView, view } from '../../../materializer/view-definition.ts';
import { tail } from '../../log/tail.ts';
import { decodeAvro } from '../../support/avro-decode.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-view-topic-'));
let log: EmbeddedLog;
beforeAll(async () => {
  log = await openEmbeddedLog({ path: join(folder, 'log.db') });
});
afterAll(async () => {
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const origin = {
  partition: 1,
  timestamp: 1_700_000_000_123,
  headers: { op: Buffer.from('u'), lsn: Buffer.from('16/B374D848'), xid: Buffer.from('7') },
};

/** A view that stores the published columns as they are. */
function reader(shape: ViewShape): Decoder {
  const definition = view({
    name: 'reader',
    from: { view: shape.name },
    store: 'any',
    columns: shape.columns,
    key: shape.key,
  });
  return new Decoder(defineView(definition), log.schemas);
}

/** As a record is when it comes out of the Log. */
const stored = (record: LogRecord, offset: number): StoredRecord => ({
  ...record,
  headers: record.headers ?? {},
  offset,
});

async function readBack(decoder: Decoder, record: LogRecord, offset = 0): Promise<ViewChange> {
  const read = stored(record, offset);
  if (!decoder.ready(read)) await decoder.prepare(read, signal);
  return decoder.decode(read);
}

const int8 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const anyText = fc.string({ unit: 'grapheme' });
const { element } = fc.letrec<{ element: Value; array: Value }>((tie) => ({
  element: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double(),
    fc.constantFrom(Number.NaN, -0, Number.NEGATIVE_INFINITY),
    int8,
    anyText,
    fc.uint8Array(),
    tie('array'),
    fc.dictionary(fc.constantFrom('a', '$bigint', '$object', ''), tie('element'), { noNullPrototype: true }),
  ),
  array: fc.array(tie('element'), { maxLength: 4 }),
}));

const valuesOf: Readonly<Record<ColumnType, fc.Arbitrary<Value>>> = {
  text: anyText,
  int: fc.integer(),
  bigint: fc.oneof(int8, fc.constantFrom(0n, -1n, (1n << 53n) + 1n, (1n << 63n) - 1n, -(1n << 63n))),
  float: fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY, -Infinity, 5e-324)),
  numeric: fc.constantFrom('NaN', 'Infinity', '1.000', '-0.00', '9'.repeat(60), `0.${'0'.repeat(40)}1`),
  boolean: fc.boolean(),
  bytes: fc.uint8Array(),
  timestamp: fc.constantFrom(
    '2024-02-29 23:59:59.123456+00',
    'infinity',
    '-infinity',
    '0044-03-15 BC',
    '24:00:00',
  ),
  json: fc.json(),
  array: fc.array(element, { maxLength: 5 }),
};

interface Case {
  readonly shape: ViewShape;
  readonly row: Row;
}

let shapes = 0;
/** A view of any columns and any key, with a row; what is not in the key may be null. */
const cases: fc.Arbitrary<Case> = fc
  .array(fc.constantFrom(...(Object.keys(valuesOf) as ColumnType[])), { minLength: 1, maxLength: 12 })
  .chain((types) => {
    const names = types.map((type, i) => `${type}_${i}`);
    return fc.record({
      types: fc.constant(types),
      key: fc.shuffledSubarray(names, { minLength: 1, maxLength: Math.min(3, names.length) }),
      values: fc.tuple(...types.map((type) => valuesOf[type])),
      nulls: fc.array(fc.boolean(), { minLength: types.length, maxLength: types.length }),
    });
  })
  .map(({ types, key, values, nulls }) => {
    const names = types.map((type, i) => `${type}_${i}`);
    const columns: Columns = Object.fromEntries(names.map((name, i) => [name, types[i]!]));
    const row = Object.fromEntries(
      names.map((name, i) => [name, nulls[i] && !key.includes(name) ? null : values[i]!]),
    );
    return { shape: { name: `v${shapes++}`, columns, key }, row };
  });

test('rows of every column type come back from a view topic exactly as they went in', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, row }) => {
      const encoder = await viewTopicEncoder(log.schemas, `insideout.view.${shape.name}.g1`, shape);
      const key = shape.key.map((name) => row[name]!);
      const upsert: ViewChange = { op: 'upsert', offset: 7, key, row };
      const remove: ViewChange = { op: 'delete', offset: 8, key };
      const decoder = reader(shape);
      const written = encoder.encode(upsert, origin);
      const tombstone = encoder.encode(remove, origin);
      expect(await readBack(decoder, written, 7)).toStrictEqual(upsert);
      expect(await readBack(decoder, tombstone, 8)).toStrictEqual(remove);
      expect(tombstone.key.equals(written.key)).toBe(true);
    }),
    { numRuns: 400 },
  );
});

const orders: ViewShape = {
  name: 'orders',
  columns: { note: 'text', tenant: 'int', id: 'bigint', total: 'numeric', tags: 'array' },
  key: ['id', 'tenant'],
};
const order: Row = { note: null, tenant: 3, id: 1n << 60n, total: '1.50', tags: [[1n, null], ['x']] };
const change: ViewChange = { op: 'upsert', offset: 4, key: [1n << 60n, 3], row: order };

test('keys hold the key columns in the order of the key, values all columns, in plain Avro', async () => {
  const encoder = await viewTopicEncoder(log.schemas, 'insideout.view.orders.g1', orders);
  const record = encoder.encode(change, origin);
  expect(Object.entries(await decodeAvro(log.schemas, record.key))).toEqual([
    ['id', 1n << 60n],
    ['tenant', 3],
  ]);
  const row = await decodeAvro(log.schemas, record.value!);
  expect(Object.keys(row)).toEqual(Object.keys(orders.columns));
  expect(row).toMatchObject({ note: null, tenant: 3, total: '1.50' });
  expect(JSON.parse(String(row.tags))).toEqual([[{ $bigint: '1' }, null], ['x']]);
});

test('a record goes to the partition of its input, with its time and headers', async () => {
  const encoder = await viewTopicEncoder(log.schemas, 'insideout.view.orders.g2', orders);
  const upsert = encoder.encode(change, origin);
  expect(upsert).toMatchObject({
    topic: 'insideout.view.orders.g2',
    partition: 1,
    timestamp: origin.timestamp,
  });
  expect(upsert.headers).toBe(origin.headers);
  const left = encoder.encode({ op: 'delete', offset: 4, key: change.key }, origin);
  expect(left.value).toBeNull();
  expect({ ...left.headers, op: String(left.headers?.op) }).toEqual({ ...origin.headers, op: 'd' });
});

test('truncates and everything else pass through the Log to a view that reads them', async () => {
  const topic = 'insideout.view.orders.g3';
  await log.ensureTopics([{ name: topic, partitions: 2, cleanup: 'compact' }]);
  const encoder = await viewTopicEncoder(log.schemas, topic, orders);
  const truncated = { ...origin, headers: { ...origin.headers, op: Buffer.from('t') } };
  const changes: ViewChange[] = [
    { ...change, offset: 0 },
    { op: 'truncate', offset: 1 },
    { ...change, offset: 2, row: { ...order, note: 'again', tags: null } },
    { op: 'delete', offset: 3, key: change.key },
  ];
  const writer = await log.fencedWriter('orders');
  await writer.append(changes.map((c) => encoder.encode(c, c.op === 'truncate' ? truncated : origin)));
  const t = tail(log, { topics: [topic] });
  await expect.poll(() => t.records(topic, 1).length).toBe(4);
  await t.stop();
  const decoder = reader(orders);
  const read: ViewChange[] = [];
  for (const record of t.records(topic, 1)) {
    if (!decoder.ready(record)) await decoder.prepare(record, signal);
    read.push(decoder.decode(record));
  }
  expect(read).toEqual(changes);
});

test('a view that reads some of the columns, one of them renamed, sees their values', async () => {
  const encoder = await viewTopicEncoder(log.schemas, 'insideout.view.orders.g4', orders);
  const definition = view({
    name: 'totals',
    from: { view: 'orders' },
    store: 'any',
    reads: { total: 'numeric', tags: 'array' },
    columns: { order_id: 'bigint', tenant: 'int', cents: 'text', first: 'array' },
    key: { order_id: 'id', tenant: 'tenant' },
    row: ({ total, tags }) => ({ cents: total?.replace('.', '') ?? null, first: tags?.[0] as Value[] }),
  });
  const read = await readBack(
    new Decoder(defineView(definition), log.schemas),
    encoder.encode(change, origin),
  );
  expect(read).toMatchObject({ row: { order_id: 1n << 60n, tenant: 3, cents: '150', first: [1n, null] } });
});
