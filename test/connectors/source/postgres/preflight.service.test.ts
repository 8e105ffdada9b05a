import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspect } from '../../../../connectors/source/postgres/inspect.ts';
import type { PostgresSourceOptions } from '../../../../connectors/source/postgres/options.ts';
import type { EmbeddedLog } from '../../../../log/embedded/embedded-log.ts';
import { type Capture, capture, slotOf, tableOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

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
