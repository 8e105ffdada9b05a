import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { readDeadLetters, writeDeadLetters } from '../../materializer/apply/dead-letters.ts';
import type { LoggedRecord } from '../support/capture.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import {
  type ErasureProject,
  erasureProject,
  filesWith,
  type Place,
  placeOf,
  poison,
  recordOf,
} from './erasure-project.ts';

const slow = { timeout: 180_000 };
/** Texts that no unique column has: nothing but keys and owners tells whose they are. */
const order = 'deliver to the back door, 7310013';
const author = `Person ${poison}`;

/** A project whose daemon has caught up. */
async function running() {
  const project = await erasureProject();
  const daemon = project.up();
  await project.caughtUp();
  return { project, daemon, ...project };
}

/** A letter as a view that could not take the record would have left. */
async function setAside(project: ErasureProject, table: string, record: LoggedRecord): Promise<void> {
  const log = await project.openLog();
  await writeDeadLetters(log, [
    {
      topic: project.topic(table),
      partition: record.partition,
      record,
      view: `${table}_local`,
      stage: 'convert',
      error: new InsideoutError('RECORD_UNCONVERTIBLE', 'The row function threw.', { hint: 'Mend it.' }),
      attempts: 1,
    },
  ]);
  await log.close();
}

async function letters(project: ErasureProject, table: string): Promise<number> {
  const log = await project.openLog();
  try {
    return (await readDeadLetters(log, project.topic(table))).length;
  } finally {
    await log.close();
  }
}

async function erased(project: ErasureProject, ...more: string[]) {
  const { code, answer, output } = await project.ask('erase', 'customer', String(poison), ...more);
  expect([code, output]).toEqual([0, expect.stringContaining('"phase"')]);
  return answer[0];
}

test(
  'what the application deleted just before is erased from the Log too, with what referred to it',
  slow,
  async () => {
    const { project, db, folder, topic } = await running();
    const [first, second] = [poison * 2, poison * 2 + 1];
    // Only the order that it was of, which is gone as well, tells whose it was.
    await setAside(project, 'payments', await recordOf(project, 'payments', poison));
    await setAside(project, 'payments', await recordOf(project, 'payments', 3));
    // One order goes to somebody else, so that its older records are the subject's and its row is not.
    await db.client.query(`update orders set note = '${order}' where customer_id = ${poison}`);
    await db.client.query(
      `update orders set customer_id = 3, note = 'for somebody else' where id = ${second};
     delete from payments where order_id = ${first}; delete from orders where id = ${first}`,
    );
    await project.caughtUp();
    const card = `CARD-only-${poison}-7731`;
    expect(filesWith(folder, [order]).length).toBeGreaterThan(0);
    expect(filesWith(folder, [card]).length).toBeGreaterThan(0);

    const erasure = await erased(project, '--wait');
    expect(erasure.phase).toBe('completed');
    expect(Object.keys(erasure.rows).sort()).toEqual(['public.customers', 'public.reviews']);
    const { places } = erasure.certificate.body;
    for (const table of ['customers', 'orders', 'payments', 'reviews'])
      expect(placeOf(places, 'topic', topic(table))).toMatchObject({ state: 'verified' });
    for (const view of ['orders', 'payments'])
      expect(placeOf(places, 'generation', `local/${view}_local g1`)).toMatchObject({ state: 'verified' });
    // Of the letter that is left nothing says whose it was: the order that it names may be forgotten.
    expect(placeOf(places, 'dead letters', `${topic('payments')}.dlq`)).toMatchObject({
      state: 'unverifiable',
      reason: expect.stringContaining('nothing in them says whose they were'),
    });
    expect(await letters(project, 'payments')).toBe(1);
    expect(filesWith(folder, [order, card])).toEqual([]);
    expect(await project.row('orders', second)).toMatchObject({ note: 'for somebody else' });
    expect((await project.ask('erasure', 'verify')).code).toBe(0);
  },
);

test(
  'dead letters of before are found by whose their row was, and by the key of what was overwritten',
  slow,
  async () => {
    const { project, daemon, db, folder, topic } = await running();
    const moved = poison * 2 + 1;
    await db.client.query(`update orders set note = '${order}' where id = ${moved}`);
    await db.client.query(
      `insert into orders values (4001, 3, '${order}'); update orders set note = 'plain' where id = 4001`,
    );
    await project.caughtUp();
    await setAside(project, 'orders', await recordOf(project, 'orders', moved));
    await setAside(project, 'orders', await recordOf(project, 'orders', 4001));
    await setAside(project, 'reviews', await recordOf(project, 'reviews', poison));
    await setAside(project, 'reviews', await recordOf(project, 'reviews', 3));
    // The letter is of a key that its row has no more.
    await db.client.query(`update orders set id = 4002, note = 'plain' where id = ${moved}`);
    await project.caughtUp();
    expect([await letters(project, 'orders'), await letters(project, 'reviews')]).toEqual([2, 2]);

    // The daemon goes on with it, which knows no values.
    const { id } = await erased(project);
    const { certificate } = await eventually('the daemon finishes it', async () => {
      const { answer } = await project.ask('erasure', 'show', id);
      return answer.phase === 'completed' && answer;
    });
    expect([await letters(project, 'orders'), await letters(project, 'reviews')]).toEqual([1, 1]);
    for (const table of ['orders', 'reviews'])
      for (const [kind, name] of [
        ['topic', topic(table)],
        ['dead letters', `${topic(table)}.dlq`],
      ] as const)
        expect([table, kind, placeOf(certificate.body.places, kind, name)]).toEqual([
          table,
          kind,
          expect.objectContaining({ state: 'verified' }),
        ]);
    expect(placeOf(certificate.body.places, 'generation', 'local/reviews_local g1')).toMatchObject({
      state: 'unverifiable',
    });
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(filesWith(folder, [author])).toEqual([]);
  },
);

test(
  'rows that a TRUNCATE deleted before are erased from the Log, and those that came since stay',
  slow,
  async () => {
    const { project, db, folder, topic } = await running();
    await db.client.query(`update orders set note = '${order}' where customer_id = ${poison}`);
    await project.caughtUp();
    await db.client.query(`truncate orders, payments;
      insert into orders values (41, 3, 'of somebody else'), (77, 3, 'of somebody else')`);
    await project.caughtUp();
    expect(filesWith(folder, [order]).length).toBeGreaterThan(0);
    const erasure = await erased(project, '--wait');
    expect(erasure.phase).toBe('completed');
    expect(placeOf(erasure.certificate.body.places, 'topic', topic('orders'))).toMatchObject({
      state: 'verified',
    });
    // Payments of others went as well, and of none the order is there that would tell whose it was.
    expect(placeOf(erasure.certificate.body.places, 'topic', topic('payments'))).toMatchObject({
      state: 'unverifiable',
      reason: expect.stringContaining('TRUNCATE'),
    });
    expect(filesWith(folder, [order, `CARD-only-${poison}-7731`])).toEqual([]);
    for (const id of [41, 77])
      expect(await project.row('orders', id)).toMatchObject({ note: 'of somebody else' });
  },
);

test(
  'records and dead letters of before the id itself was changed are not said to be gone',
  slow,
  async () => {
    const { project, db, topic } = await running();
    const [before, other, now] = [6001, 6002, poison + 1];
    await db.client.query(`insert into customers values (${before}, '${order}', 'N'), (${other}, 'other', 'N');
      insert into orders values (6101, ${before}, '${order}'), (6102, 3, 'of somebody else')`);
    await project.caughtUp();
    await setAside(project, 'customers', await recordOf(project, 'customers', before));
    await setAside(project, 'customers', await recordOf(project, 'customers', 3));
    await setAside(project, 'orders', await recordOf(project, 'orders', 6102));
    // It leaves the record of an order in the Log; of payments nobody knows whose they are anyway.
    await db.client.query(`truncate orders, payments;
      update customers set id = ${now}, email = 'new' where id = ${before}`);
    // Somebody else gets the id that another had.
    await setAside(project, 'customers', await recordOf(project, 'customers', other));
    await db.client.query(`update customers set id = 6003 where id = ${other};
      insert into customers values (${other}, 'somebody', 'else')`);
    await project.caughtUp();

    const { code, answer } = await project.ask('erase', 'customer', String(now), '--wait');
    expect([code, answer[0].phase]).toEqual([0, 'completed']);
    const { places } = answer[0].certificate.body;
    const reason = (count: number) => expect.stringMatching(new RegExp(`^${count} of .* tell an id`));
    for (const [kind, name, count] of [
      ['topic', topic('orders'), 1],
      ['dead letters', `${topic('customers')}.dlq`, 2],
    ] as const)
      expect(placeOf(places, kind, name)).toMatchObject({ state: 'unverifiable', reason: reason(count) });
    // The tombstone of the old key has taken its record away, and others are known to be others.
    expect(placeOf(places, 'topic', topic('customers'))).toMatchObject({ state: 'verified' });
    expect(placeOf(places, 'dead letters', `${topic('orders')}.dlq`)).toMatchObject({ state: 'verified' });
    expect(placeOf(places, 'generation', 'local/customer_local g1')).toMatchObject({ state: 'verified' });
  },
);

test(
  'an older record of an overwritten row is in no view when it comes once more, and verify tells where it is',
  slow,
  async () => {
    const { project } = await running();
    const before = await recordOf(project, 'reviews', poison);
    expect((await erased(project, '--wait')).phase).toBe('completed');
    expect(await project.row('reviews', poison)).toMatchObject({ author: 'somebody' });

    const log = await project.openLog();
    const { key, value, partition, headers } = before;
    await log.append([
      { topic: project.topic('reviews'), partition, key: key!, value, headers, timestamp: Date.now() },
    ]);
    await log.close();
    await project.caughtUp();
    expect(await project.row('reviews', poison)).toMatchObject({ author: 'somebody' });
    const told = await project.ask('erasure', 'verify');
    expect([told.code, told.answer[0].ok]).toEqual([3, false]);
    expect(placeOf(told.answer[0].places, 'topic', project.topic('reviews'))).toMatchObject({
      state: 'applied',
    });

    await project.db.client.query(`update reviews set stars = 4 where id = ${poison}`);
    await project.caughtUp();
    expect(await project.row('reviews', poison)).toMatchObject({ author: 'somebody', stars: 4 });
    expect((await erased(project, '--wait')).phase).toBe('completed');
    expect((await project.ask('erasure', 'verify')).code).toBe(0);
  },
);

test(
  'of a view that is not keyed by the whole key of its table nothing is said to be verified',
  slow,
  async () => {
    const db = await createDatabase();
    const folder = mkdtempSync(join(tmpdir(), 'insideout-part-key-'));
    const topic = 'shop.public.visits';
    const visit = { from: topic, store: 'local', columns: { shop: 'text', no: 'int', note: 'text' } };
    writeFileSync(
      join(folder, 'insideout.config.yaml'),
      JSON.stringify({
        sources: {
          shop: { kind: 'postgres', url: db.url, slot: `slot_${db.name}`, tables: ['public.visits'] },
        },
        log: { kind: 'embedded', path: 'log.db' },
        stores: { local: { kind: 'sqlite', path: 'views.db' } },
        views: [
          {
            name: 'whole',
            ...visit,
            key: { number: 'no', shop: 'shop' },
            columns: { shop: 'text', number: 'int', note: 'text' },
          },
          { name: 'part', ...visit, key: ['no'] },
          {
            name: 'fed',
            from: { view: 'part' },
            store: 'local',
            key: ['no'],
            columns: { no: 'int', note: 'text' },
          },
        ],
        subjects: { visitor: { source: 'shop', is: ['public.visits.visitor'] } },
        http: false,
      }),
    );
    await db.client.query(`create table visits (shop text, no int, visitor int, note text, primary key (shop, no));
    insert into visits values ('a', 1, 7, 'first'), ('b', 2, 8, 'second')`);
    const up = startCli(['up'], { cwd: folder });
    onTestFinished(async () => {
      await up.end('SIGKILL');
      await db.drop();
    });
    const ask = async (...args: string[]) => {
      const { code, output } = await runCli(['--json', ...args], {
        cwd: folder,
        env: { LOG_LEVEL: 'silent' },
      });
      return { code, answer: JSON.parse(output.trim().split('\n').at(-1)!) };
    };
    await eventually('it is in the view', async () => (await ask('get', 'fed', '1')).code === 0);
    const { answer } = await ask('erase', 'visitor', '7', '--wait');
    expect(answer[0].phase).toBe('completed');
    const states = answer[0].certificate.body.places
      .filter((place: Place) => ['topic', 'view topic', 'generation'].includes(place.kind))
      .map((place: Place) => [place.name, place.state, place.reason.includes('whole key')]);
    expect(states.sort()).toEqual([
      ['insideout.view.part.g1', 'unverifiable', true],
      ['local/fed g1', 'unverifiable', true],
      ['local/part g1', 'unverifiable', true],
      ['local/whole g1', 'verified', false],
      [topic, 'verified', false],
    ]);
  },
);
