import { expect, test } from 'vitest';
import { capture, recordsOf, slotOf, temporaryLog } from '../../../support/capture.ts';
import { createDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { sourceStreams } from '../../../support/source-streams.ts';

const hour = 3_600_000;

test('records of a table go when their commit is longer ago than its retention, of others they stay; a topic that exists is changed at the next start', async () => {
  const db = await createDatabase();
  const log = await temporaryLog();
  const tables = ['public.Page visits', 'public.people'];
  const topics = ['shop.public.Page_x20_visits', 'shop.public.people'] as const;
  const held = async () => [
    (await recordsOf(log, topics[0])).length,
    (await recordsOf(log, topics[1])).length,
  ];
  const cleaned = async (now: number) => {
    for (const topic of topics) await log.clean(topic, { now });
    return held();
  };
  await db.client.query(
    'create table "Page visits" (id int primary key); create table people (id int primary key)',
  );
  const run = async (retention: Record<string, number>, sql: string) => {
    const running = capture(log, { url: db.url, tables, partitions: 1, retention });
    await sourceStreams(db, slotOf(db.url));
    await db.client.query(sql);
    const before = (await held())[1]!;
    await eventually('it is captured', async () => (await held())[1]! > before);
    await running.stop();
  };
  try {
    await run({}, 'insert into "Page visits" values (1); insert into people values (1)');
    expect(await cleaned(Date.now() + 2 * hour)).toEqual([1, 1]);
    const before = Date.now();
    await run(
      { 'public.Page visits': hour },
      'insert into "Page visits" values (2); insert into people values (2)',
    );
    expect(await cleaned(before + hour - 60_000)).toEqual([2, 2]);
    expect(await cleaned(Date.now() + hour + 60_000)).toEqual([0, 2]);
  } finally {
    await log.close();
    await db.drop();
  }
});
