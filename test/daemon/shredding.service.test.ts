import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { barriersTopic } from '../../connectors/source/barriers.ts';
import { checkConfig } from '../../daemon/config/check.ts';
import { Erasures } from '../../daemon/erasures.ts';
import { runDaemon } from '../../daemon/run.ts';
import { shredder } from '../../deletes/shredding.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { slotOf } from '../support/capture.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const key: avro.Schema = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'int' }] };
const value: avro.Schema = {
  type: 'record',
  name: 'Event',
  fields: [
    { name: 'id', type: 'int' },
    { name: 'customer', type: 'int' },
    { name: 'said', type: 'bytes' },
  ],
};

test('an erasure destroys the key of its subject: events in a topic that is not compacted are unreadable from then on', async () => {
  const db = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'insideout-shredding-'));
  const keys = join(folder, 'subjects.db');
  const shred = shredder({ keys });
  const stop = new AbortController();
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  try {
    await db.client.query(
      `create table customers (id int primary key); insert into customers values (42), (43)`,
    );
    await log.ensureTopics([{ name: 'clicks', partitions: 1, cleanup: 'delete', retentionMs: -1 }]);
    const framed = async (schema: avro.Schema, row: object) => {
      const header = Buffer.alloc(5);
      header.writeUInt32BE(
        await log.schemas.register(`clicks.${(schema as { name: string }).name}`, schema as never),
        1,
      );
      return Buffer.concat([header, avro.Type.forSchema(schema).toBuffer(row)]);
    };
    for (const [id, customer] of [
      [1, 42],
      [2, 43],
      [3, 42],
    ]) {
      const said = shred.encrypt(`customer:${customer}`, Buffer.from(`secret of ${customer}`));
      await log.append([
        {
          topic: 'clicks',
          partition: 0,
          key: await framed(key, { id }),
          value: await framed(value, { id, customer, said }),
          timestamp: Date.now(),
        },
      ]);
    }
    const config = (generation: number) =>
      checkConfig(
        {
          sources: {
            shop: { kind: 'postgres', url: db.url, tables: ['public.customers'], slot: slotOf(db.url) },
          },
          log: { kind: 'embedded', path: join(folder, 'log.db') },
          stores: { local: { kind: 'sqlite', path: join(folder, `views-${generation}.db`) } },
          views: [
            {
              name: 'click',
              from: 'clicks',
              store: 'local',
              key: ['id'],
              reads: { id: 'int', customer: 'int', said: 'bytes' },
              columns: { id: 'int', said: 'text' },
              row: ({ id, customer, said }: { id: number; customer: number; said: Uint8Array }) => ({
                id,
                said: shred.decrypt(`customer:${customer}`, said)?.toString() ?? null,
              }),
            },
          ],
          subjects: { customer: { source: 'shop', is: ['public.customers.id'] } },
          erasure: { key: join(folder, 'key.pem'), shred: keys },
          http: false,
        },
        'test',
      );
    const run = (of: ReturnType<typeof config>, sources: string[]) =>
      runDaemon({
        config: of,
        sources,
        views: of.views,
        hooks: {},
        logger: pino({ level: 'silent' }),
        signal: stop.signal,
      });
    const daemon = run(config(1), ['shop']);
    const said = (file: string) => {
      try {
        const views = new Database(join(folder, file), { readonly: true });
        const all = views.prepare<[], string | null>('select said from click order by id').pluck().all();
        views.close();
        return all;
      } catch {
        return [];
      }
    };
    await eventually('the view', () => said('views-1.db').length === 3);
    expect(said('views-1.db')).toEqual(['secret of 42', 'secret of 43', 'secret of 42']);
    await eventually('the snapshot', async () => (await log.offsets(['shop.public.customers'])).size > 0);
    await eventually('the source runs', async () => (await log.topics()).includes(barriersTopic('shop')));

    const erasures = await Erasures.open(config(1));
    const begun = await erasures.begin(erasures.subject('customer'), '42');
    expect(begun.phase).toBe('deleted');
    // Destroyed with the rows, and not only when somebody finishes it.
    expect(() => shred.encrypt('customer:42', Buffer.from('x'))).toThrow(/was destroyed/);
    const [done] = await erasures.finish([begun.id], AbortSignal.timeout(60_000));
    expect(done!.phase).toBe('completed');
    expect(done!.places).toContainEqual(
      expect.objectContaining({ kind: 'keys', name: keys, state: 'verified' }),
    );
    const [verified] = await erasures.verify([done!], AbortSignal.timeout(60_000));
    expect(verified).toMatchObject({ ok: true });
    expect(verified!.places).toContainEqual(expect.objectContaining({ kind: 'keys', state: 'verified' }));
    await erasures.close();

    // Whoever reads the topic anew, as for another store, finds nothing of hers.
    const other = config(2);
    const again = run({ ...other, namespace: 'another' }, []);
    await eventually('another view', () => said('views-2.db').length === 3);
    expect(said('views-2.db')).toEqual([null, 'secret of 43', null]);
    stop.abort();
    expect(await Promise.all([daemon, again])).toEqual([[], []]);
  } finally {
    stop.abort();
    shred.close();
    await log.close();
    await db.drop();
    rmSync(folder, { recursive: true });
  }
}, 120_000);
