import { expect, test } from 'vitest';
import { formatLsn } from '../../../../core/lsn.ts';
import { openKafkaLog } from '../../../../log/kafka/kafka-log.ts';
import { capture, recordsOf, slotOf } from '../../../support/capture.ts';
import { createDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { readByAPeer } from '../../../support/peer.ts';
import { servers, uniqueName } from '../../../support/servers.ts';
import { sourceStreams } from '../../../support/source-streams.ts';

test("a consumer of Debezium's envelope reads each change from Kafka, and finds no former value in it", async () => {
  const db = await createDatabase();
  const { kafka, registry } = servers();
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const name = uniqueName('shop');
  const topic = `${name}.public.Order lines`.replace(' ', '_x20_');
  await db.client.query(`create table "Order lines" (id bigint, part text, n int, at timestamptz, tags text[], primary key (id, part));
    alter table "Order lines" replica identity full;
    insert into "Order lines" values (1, 'a', 5, '2024-02-29 01:02:03.000004+00', '{x,null}')`);
  const running = capture(log, {
    url: db.url,
    name,
    tables: ['public.Order lines'],
    partitions: 1,
    envelope: 'debezium',
  });
  try {
    await sourceStreams(db, slotOf(db.url));
    const { rows } = await db.client
      .query(`begin;
      insert into "Order lines" values (2, 'b', null, null, null);
      update "Order lines" set n = 6 where id = 1;
      update "Order lines" set id = 3 where id = 1;
      delete from "Order lines" where id = 2;
      select txid_current() as xid`)
      .then((results) => (results as unknown as { rows: { xid: string }[] }[]).at(-1)!);
    await db.client.query('commit');
    await eventually('all of it is there', async () => (await recordsOf(log, topic)).length === 8);
    const records = await readByAPeer(log, topic);
    const row = { id: 1n, part: 'a', n: 5, at: '2024-02-29 01:02:03.000004+00', tags: ['x', null] };
    const none = { n: null, at: null, tags: null };
    const told = records.map(({ key, value }) => [
      (key as { id: bigint }).id,
      value && [value.op, value.before, value.after],
    ]);
    expect(told).toEqual([
      [1n, ['r', null, row]],
      [2n, ['c', null, { id: 2n, part: 'b', ...none }]],
      [1n, ['u', null, { ...row, n: 6 }]],
      [1n, ['d', { id: 1n, part: 'a', ...none }, null]],
      [1n, null],
      [3n, ['c', null, { ...row, id: 3n, n: 6 }]],
      [2n, ['d', { id: 2n, part: 'b', ...none }, null]],
      [2n, null],
    ]);
    const stored = await recordsOf(log, topic);
    for (const [i, { value }] of records.entries()) {
      if (!value) continue;
      const { headers, timestamp } = stored[i]!;
      const source = value.source as Record<string, unknown>;
      expect(source).toMatchObject({
        connector: 'postgresql',
        name,
        db: db.name,
        schema: 'public',
        table: 'Order lines',
        snapshot: value.op === 'r' ? 'true' : 'false',
        txId: value.op === 'r' ? null : BigInt(rows[0]!.xid),
        ts_ms: BigInt(timestamp),
        ts_us: BigInt(headers.ts!.toString()),
      });
      expect(formatLsn(source.lsn as bigint)).toBe(headers.lsn!.toString());
      expect(value.ts_ms).toBeGreaterThanOrEqual(source.ts_ms as bigint);
    }
  } finally {
    await running.stop();
    await log.close();
    await db.drop();
  }
});
