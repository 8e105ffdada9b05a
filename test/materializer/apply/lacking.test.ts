import { afterAll, expect, test } from 'vitest';
import type { Row } from '../../../core/value.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { Decoder } from '../../../materializer/apply/decoder.ts';
import { defineView, type ViewDeclaration } from '../../../materializer/view-definition.ts';
import { customersTopic, framed, recordsOf, temporaryFolder, topic } from '../customers.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const signal = new AbortController().signal;

const envelope = {
  type: 'record',
  name: 'Envelope',
  namespace: topic,
  fields: [
    {
      name: 'before',
      type: ['null', { type: 'record', name: 'Row', fields: [{ name: 'id', type: 'long' }] }],
    },
    { name: 'after', type: ['null', 'Row'] },
    { name: 'op', type: 'string' },
  ],
};

/** What is told of the columns of a view when it meets a record of customers, then the same one, then an envelope. */
async function lackingOf(declared: Partial<ViewDeclaration>): Promise<readonly (readonly string[])[]> {
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  try {
    const customers = await customersTopic(log);
    const [written] = recordsOf({ op: 'upsert', id: 1, customer: { name: 'n', visits: 1 } }, customers);
    const record = { ...written!, offset: 0, headers: {} };
    const enveloped = framed(await log.schemas.register('other', envelope), Buffer.alloc(0));
    const view = defineView({
      name: 'card',
      from: topic,
      store: 'local',
      key: ['id'],
      columns: { id: 'bigint', name: 'text' },
      ...declared,
    });
    const told: (readonly string[])[] = [];
    const decoder = new Decoder(view, log.schemas, (columns) => void told.push(columns));
    await decoder.prepare(record, signal);
    await decoder.prepare(record, signal);
    await decoder.prepare({ ...record, value: enveloped }, signal);
    return told;
  } finally {
    await log.close();
  }
}

test('columns that a view reads and the records lack are told, each once, with every writer schema', async () => {
  const columns = { id: 'bigint', nmae: 'text', visits: 'int' } as const;
  expect(await lackingOf({ columns })).toEqual([['nmae'], ['visits']]);
});

test('a key that is renamed in the view is not looked for in the rows', async () => {
  const columns = { customer_id: 'bigint', name: 'text' } as const;
  expect(await lackingOf({ columns, key: { customer_id: 'id' } })).toEqual([['name']]);
});

test('a key that is in no value is in the row that a row function sees all the same', async () => {
  const log = await openEmbeddedLog({ path: folder.path('keyed.db') });
  const schema = { type: 'record', name: 'Name', fields: [{ name: 'name', type: 'string' }] };
  const id = await log.schemas.register('names', schema);
  const customers = await customersTopic(log);
  const value = framed(id, Buffer.from([2, 'a'.charCodeAt(0)]));
  const record = { ...customers.raw(7, value), offset: 0, headers: {} };
  const seen: Row[] = [];
  const view = defineView({
    name: 'card',
    from: topic,
    store: 'local',
    key: { customer_id: 'id' },
    reads: { id: 'bigint', name: 'text' },
    columns: { customer_id: 'bigint', label: 'text' },
    row: (row) => {
      seen.push({ ...row });
      return { label: row.name ?? null };
    },
  });
  const decoder = new Decoder(view, log.schemas);
  await decoder.prepare(record, signal);
  expect(decoder.decode(record)).toMatchObject({ op: 'upsert', row: { customer_id: 7n, label: 'a' } });
  expect(seen).toEqual([{ id: 7n, name: 'a' }]);
  await log.close();
});

test('with a row function only what it is said to read is looked for', async () => {
  const told = await lackingOf({
    columns: { id: 'bigint', label: 'text' },
    reads: { id: 'bigint', visit: 'int' },
    row: () => ({}),
  });
  expect(told).toEqual([['visit']]);
});
