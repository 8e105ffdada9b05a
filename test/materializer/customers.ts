import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import avro from 'avsc';
import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import { partitionOf } from '../../core/partition.ts';
import type { Row } from '../../core/value.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { headerLength, writeHeader } from '../../log/avro/wire-format.ts';
import type { Log, LogRecord } from '../../log/log.ts';
import { defineView, view } from '../../materializer/view-definition.ts';

/** A topic of customers as the Postgres source writes it, encoded by avsc, which shares nothing with our reader. */
export const topic = 'shop.public.customers';

const keySchema = {
  type: 'record',
  name: 'Key',
  namespace: topic,
  fields: [{ name: 'id', type: 'long', pg: 'bigint' }],
};
const valueSchema = {
  type: 'record',
  name: 'Value',
  namespace: topic,
  fields: [
    { name: 'id', type: 'long', pg: 'bigint' },
    { name: 'name', type: ['null', 'string'], pg: 'text', default: null },
    { name: 'visits', type: ['null', 'int'], pg: 'integer', default: null },
    { name: 'spent', type: ['null', 'string'], pg: 'numeric', default: null },
  ],
};
const truncateSchema = { type: 'record', name: 'Truncate', namespace: 'insideout', fields: [] };

export interface Customer {
  readonly name: string | null;
  readonly visits: number | null;
}

export interface Customers {
  readonly partitions: number;
  readonly valueSchemaId: number;
  partitionOf(id: number): number;
  upsert(id: number, customer: Customer): LogRecord;
  remove(id: number): LogRecord;
  truncate(): LogRecord[];
  /** A record whose key is well and whose value is these bytes. */
  raw(id: number, value: Buffer): LogRecord;
}

export async function customersTopic(log: Log, partitions = 1): Promise<Customers> {
  await log.ensureTopics([{ name: topic, partitions, cleanup: 'compact' }]);
  const keyId = await log.schemas.register(`${topic}-key`, keySchema);
  const valueSchemaId = await log.schemas.register(`${topic}-value`, valueSchema);
  const truncateId = await log.schemas.register('insideout.Truncate', truncateSchema);
  const keyType = typeOf(keySchema);
  const valueType = typeOf(valueSchema);
  const make = (id: number, value: Buffer | null, op: string): LogRecord => {
    const key = framed(keyId, keyType.toBuffer({ id }));
    const partition = partitionOf(key, partitions);
    return {
      topic,
      partition,
      key,
      value,
      headers: { op, lsn: '0/1', xid: '1', ts: '1000' },
      timestamp: 1_700_000_000_000,
    };
  };
  return {
    partitions,
    valueSchemaId,
    partitionOf: (id) => make(id, null, 'd').partition,
    upsert: (id, customer) =>
      make(id, framed(valueSchemaId, valueType.toBuffer({ id, ...customer, spent: '1.50' })), 'u'),
    remove: (id) => make(id, null, 'd'),
    truncate: () =>
      Array.from({ length: partitions }, (_, partition) => ({
        ...make(0, framed(truncateId, Buffer.alloc(0)), 't'),
        key: framed(truncateId, Buffer.alloc(0)),
        partition,
      })),
    raw: (id, value) => make(id, value, 'u'),
  };
}

const typeOf = (schema: AvroSchema) =>
  avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'never' as never });

export function framed(schemaId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerLength);
  writeHeader(header, 0, schemaId);
  return Buffer.concat([header, body]);
}

/** Its row function leaves out who is called `hidden` and throws for who is called `boom`. */
export const customerCard = defineView(
  view({
    name: 'customer_card',
    from: topic,
    store: 'cards',
    reads: { id: 'bigint', name: 'text', visits: 'int' },
    columns: { customer_id: 'bigint', label: 'text', visits: 'int' },
    key: { customer_id: 'id' },
    row: ({ name, visits }) => {
      if (name === 'boom') throw new Error(`secret ${name}`);
      return name === 'hidden' ? null : { label: name, visits };
    },
  }),
);

export const cardOf = (id: number, { name, visits }: Customer): Row => ({
  customer_id: BigInt(id),
  label: name,
  visits,
});

/** What the view must hold after these records, in the order they have in the Log. */
export function model(history: readonly Change[]): Map<number, Row> {
  const rows = new Map<number, Row>();
  for (const change of history) {
    if (change.op === 'truncate') rows.clear();
    else if (change.op === 'remove' || change.customer.name === 'hidden') rows.delete(change.id);
    else rows.set(change.id, cardOf(change.id, change.customer));
  }
  return rows;
}

export type Change =
  | { readonly op: 'upsert'; readonly id: number; readonly customer: Customer }
  | { readonly op: 'remove'; readonly id: number }
  | { readonly op: 'truncate' };

export const recordsOf = (change: Change, customers: Customers): LogRecord[] =>
  change.op === 'truncate'
    ? customers.truncate()
    : [change.op === 'remove' ? customers.remove(change.id) : customers.upsert(change.id, change.customer)];

export const sorted = (rows: Iterable<Row>): Row[] =>
  [...rows].sort((a, b) => Number((a.customer_id as bigint) - (b.customer_id as bigint)));

export async function rowsOf(store: ViewStore): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of (await activeOf(store)).scan()) rows.push(row);
  return sorted(rows);
}

export async function activeOf(store: ViewStore): Promise<Generation> {
  return store.open(customerCard.shape, (await store.active(customerCard.shape.name)) ?? 1);
}

/** True when the view's checkpoint is at the end of every partition. */
export async function caughtUp(log: Log, store: ViewStore): Promise<boolean> {
  const checkpoint = await (await activeOf(store)).checkpoint();
  return [...(await log.offsets([topic]))].every(([key, { end }]) => (checkpoint.get(key) ?? 0) >= end);
}

/** Looks again and again until it is so, for at most ten seconds. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ten seconds: ${what}`);
    await wait(2);
  }
}

export function temporaryFolder(): { path(name: string): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-materializer-'));
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
