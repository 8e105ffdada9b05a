import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inspect } from '../../../../connectors/source/postgres/inspect.ts';
import type { PostgresSourceOptions } from '../../../../connectors/source/postgres/options.ts';
import { dropSlot } from '../../../../connectors/source/postgres/slot.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import { type Capture, capture, slotOf, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { uniqueName } from '../../../support/servers.ts';

let db: TestDatabase;
let log: EmbeddedLog;
let running: Capture | null;

beforeEach(async () => {
  [db, log, running] = [await createDatabase(), await temporaryLog(), null];
  await db.client.query('create table t (id int primary key, v text); insert into t values (1)');
});
afterEach(async () => {
  await running?.stop().catch(() => {});
  await log.close();
  await db.drop();
});

const start = (options: Partial<PostgresSourceOptions> = {}) => {
  running = capture(log, { url: db.url, tables: ['public.t'], ...options });
  return running;
};
const rowsIn = (topic: string) =>
  eventually(`rows in ${topic}`, async () => {
    const rows = (await log.topics()).includes(topic) ? await tableOf(log, topic) : new Map();
    return rows.size > 0 && rows;
  });

/** What doctor finds wrong. */
async function wrong(options: Partial<PostgresSourceOptions> = {}) {
  const slot = slotOf(db.url);
  const base = { name: 'shop', url: db.url, publication: 'insideout_shop', slot, tables: ['public.t'] };
  return (await inspect({ ...base, ...options })).filter((f) => f.severity === 'error');
}

/** The SQL of a mend, as somebody would paste it. */
const statement = (mend: string) => /(CREATE|ALTER|GRANT) .+;/.exec(mend)![0];

test.each([
  ['insert, update, truncate', 'deletes'],
  ['insert, delete, truncate', 'updates'],
  ['update, delete, truncate', 'inserts'],
  ['insert, update, delete', 'truncates'],
])(
  'a publication of only %s is refused with the statement that mends it: views would miss %s',
  async (published, missing) => {
    await db.client.query(`create publication insideout_shop for table t with (publish = '${published}')`);
    const message = `The publication "insideout_shop" leaves out ${missing}, so views would be wrong for ever.`;
    const mend = `ALTER PUBLICATION "insideout_shop" SET (publish = 'insert, update, delete, truncate');`;
    await expect(start().done).rejects.toMatchObject({
      code: 'SOURCE_PUBLICATION_MISSING',
      message,
      hint: `Run: ${mend}`,
    });
    expect(await log.topics()).toEqual([]);
    expect(await wrong()).toMatchObject([{ check: 'publication', message, mend }]);

    await db.client.query(statement(mend));
    expect(await wrong()).toEqual([]);
    start();
    await rowsIn('shop.public.t');
  },
);

test('a publication without truncates is enough for a source that ignores them', async () => {
  await db.client.query(
    `create publication insideout_shop for table t with (publish = 'insert, update, delete')`,
  );
  expect(await wrong({ truncate: 'ignore' })).toEqual([]);
  start({ truncate: 'ignore' });
  await rowsIn('shop.public.t');
});

describe('a role with the rights that docs/operations.md lists', () => {
  const role = uniqueName('reader').toLowerCase();
  let url: string;
  const documented = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const rights = /```sql\n(CREATE ROLE .+?)CREATE PUBLICATION/s.exec(documented)![1]!;

  beforeEach(async () => {
    url = db.url.replace('postgres@', `${role}:${role}@`);
    await db.client.query('revoke all on schema public from public');
    await db.client.query(rights.replaceAll(' insideout', ` ${role}`).replace('customers, orders', 't'));
  });
  afterEach(async () => {
    await running?.stop().catch(() => {});
    await db.client.query(`drop owned by ${role}; drop role ${role}`);
  });

  test('captures all kinds of changes, once an owner of the tables has run the statement that doctor and the start print', async () => {
    const message = `The publication "insideout_shop" does not exist, and the role "${role}" may not create it in the database "${db.name}" and does not own public.t.`;
    const mend = `CREATE PUBLICATION "insideout_shop" FOR TABLE "public"."t" WITH (publish_via_partition_root = true, publish_generated_columns = stored); -- as a superuser, or as the tables' owner with CREATE on the database`;
    expect(await wrong({ url })).toEqual([
      { check: 'publication', ok: false, severity: 'error', message, mend },
    ]);
    await expect(start({ url }).done).rejects.toMatchObject({
      code: 'SOURCE_PERMISSION',
      message,
      hint: `Run: ${mend}`,
    });
    expect(await log.topics()).toEqual([]);

    await db.client.query(statement(mend));
    expect(await wrong({ url })).toEqual([]);
    start({ url, heartbeatMs: 100 });
    await rowsIn('shop.public.t');
    const ids = async () => [...(await tableOf(log, 'shop.public.t')).keys()].sort();
    await db.client.query(
      "insert into t values (2, 'b'), (3, 'c'); update t set v = 'x'; delete from t where id = 1",
    );
    await eventually('the changes', async () => (await ids()).join() === '{"id":2},{"id":3}');
    await db.client.query("truncate t; insert into t values (4, 'd')");
    await eventually('the truncate', async () => (await ids()).join() === '{"id":4}');
    await running!.stop();
    expect(await dropSlot({ url, slot: slotOf(db.url) })).toBe(true);
  });

  test.each([
    [
      'the tables',
      async () => void (await db.client.query(`revoke select on t from ${role}`)),
      () => `The role "${role}" may not read public.t.`,
    ],
    [
      'the schema',
      async () => void (await db.client.query(`revoke usage on schema public from ${role}`)),
      () => `The role "${role}" may not use the schema "public".`,
    ],
    [
      'all of the rows',
      async () => void (await db.client.query('alter table t enable row level security')),
      () => `Row security hides rows of public.t from the role "${role}", so its snapshot would lack them.`,
    ],
  ])(
    'is refused when it may not see %s, and the statement that mends it names the role',
    async (_what, forbid, says) => {
      await forbid();
      await db.client.query('create publication insideout_shop for table t');
      const [found, ...others] = await wrong({ url });
      expect(others).toEqual([]);
      expect(found!.message).toBe(says());
      await expect(start({ url }).done).rejects.toMatchObject({
        code: 'SOURCE_PERMISSION',
        message: says(),
        hint: `Run: ${found!.mend}`,
      });
      await db.client.query(statement(found!.mend!));
      expect(await wrong({ url })).toEqual([]);
    },
  );

  test('is refused when it may not replicate, or may create the publication and owns not all tables', async () => {
    await db.client.query(`grant create on database ${db.name} to ${role}; alter role ${role} noreplication`);
    await db.client.query(`create table mine (id int primary key); alter table mine owner to ${role}`);
    const tables = ['public.mine', 'public.t'];
    const found = await wrong({ url, tables });
    expect(found.map((f) => f.message)).toEqual([
      `The role "${role}" may not replicate.`,
      `The publication "insideout_shop" does not exist, and the role "${role}" does not own public.t.`,
    ]);
    await db.client.query(statement(found[0]!.mend!));
    await db.client.query(`alter table t owner to ${role}`);
    expect(await wrong({ url, tables })).toEqual([]);
    start({ url, tables });
    await rowsIn('shop.public.t');
  });
});
