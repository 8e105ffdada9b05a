import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReplicationStream } from '../../../../connectors/source/postgres/replication-stream.ts';
import { slotStatus } from '../../../../connectors/source/postgres/slot.ts';
import { type Lsn, parseLsn } from '../../../../core/lsn.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

let db: TestDatabase;
let slot: string;

beforeEach(async () => {
  db = await createDatabase();
  slot = `slot_${db.name}`;
  await db.client.query(
    'create table t (id int primary key, v text); create publication shop for table t; checkpoint',
  );
  await db.client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
});
afterEach(() => db.drop());

/** A stream that confirms what `confirmed` says, and counts what it is sent. */
function streamOf(confirmed: () => Lsn) {
  const got = { messages: 0, ended: [] as unknown[] };
  const options = { name: 'shop', url: db.url, slot, publication: 'shop', tables: ['public.t'] };
  const stream = new ReplicationStream(options, {
    message: () => {
      got.messages++;
    },
    keepalive: () => {},
    confirmed,
    ended: (error) => got.ended.push(error),
  });
  return { stream, got };
}

const confirmedLsn = async () => (await slotStatus({ url: db.url, slot })).confirmedLsn!;

async function insert(first: number, rows: number): Promise<Lsn> {
  await db.client.query(`insert into t select g, repeat('x', 500) from generate_series($1::int, $2::int) g`, [
    first,
    first + rows - 1,
  ]);
  const { rows: found } = await db.client.query('select pg_current_wal_insert_lsn() as lsn');
  return parseLsn(found[0].lsn);
}

test.each([
  ['idle', 1],
  ['with a server that is sending', 20_000],
])('closed (%s), Postgres has the last confirmation before the stream is gone', async (_, rows) => {
  for (let round = 0; round < 15; round++) {
    let confirmed = await confirmedLsn();
    const { stream, got } = streamOf(() => confirmed);
    await stream.start(slot);
    const first = await insert(round * 100_000, 1);
    if (rows > 1) {
      stream.pause();
      await insert(round * 100_000 + 1, rows);
    } else await eventually('it was sent', () => got.messages > 0);
    confirmed = first;
    await stream.close();
    expect([round, await confirmedLsn()]).toEqual([round, first]);
    expect(got.ended).toEqual([]);
    expect((await slotStatus({ url: db.url, slot })).active).toBe(false);
  }
});
