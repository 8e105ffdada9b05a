import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { recordsOf } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import { erasureProject, filesWith, insert, placeOf, poison, valuesOf } from './erasure-project.ts';

test.each([
  ['of flat records', {}],
  ["of Debezium's envelopes", { envelope: 'debezium' as const }],
])(
  'erased on the embedded Log %s and SQLite, a subject is in no file, every place says how that is known, and the certificate verifies',
  {
    timeout: 180_000,
  },
  async (_records, options) => {
    const project = await erasureProject(options);
    const { folder } = project;
    const daemon = project.up();
    await project.caughtUp();
    expect(await project.row('customer', poison)).toMatchObject({ email: valuesOf(poison)[0] });
    expect(filesWith(folder, valuesOf(poison)).length).toBeGreaterThan(0);
    const before = (await project.ask('dlq', 'list')).answer;
    expect(before).toHaveLength(1);

    const erased = await project.ask('erase', 'customer', String(poison), '--wait');
    expect([erased.code, erased.output]).toEqual([0, expect.stringContaining('"completed"')]);
    const [erasure] = erased.answer;
    expect(erasure.rows).toEqual({
      'public.customers': 1,
      'public.orders': 2,
      'public.payments': 1,
      'public.reviews': 1,
    });
    const places: Record<string, string> = {};
    for (const { kind, name, state } of erasure.certificate.body.places)
      places[`${kind} ${name.replace(project.source, 'shop')}`] = state;
    expect(places).toMatchInlineSnapshot(`
    {
      "database files shop": "unverifiable",
      "dead letters shop.public.customers.dlq": "verified",
      "generation local/copy_local g1": "verified",
      "generation local/customer_local g1": "verified",
      "generation local/orders_local g1": "verified",
      "generation local/payments_local g1": "verified",
      "generation local/picky_local g1": "verified",
      "generation local/reviews_local g1": "verified",
      "log files log": "verified",
      "store files local": "verified",
      "table shop public.customers": "verified",
      "table shop public.orders": "verified",
      "table shop public.payments": "verified",
      "table shop public.reviews": "verified",
      "topic shop.public.customers": "verified",
      "topic shop.public.orders": "verified",
      "topic shop.public.payments": "verified",
      "topic shop.public.reviews": "verified",
      "view topic shop.view.customer_local.g1": "verified",
    }
  `);

    expect(filesWith(folder, valuesOf(poison))).toEqual([]);
    expect((await project.ask('dlq', 'list')).answer).toEqual([]);
    for (const view of ['customer', 'copy', 'picky', 'payments'] as const)
      expect([view, await project.row(view, poison)]).toEqual([view, null]);
    expect(await project.row('reviews', poison)).toMatchObject({ author: 'somebody', stars: 5 });
    expect(await project.row('customer', 14)).toMatchObject({ email: valuesOf(14)[0] });

    const again = await project.ask('erasure', 'verify');
    expect([again.code, again.answer[0].chain, again.answer[0].ok]).toEqual([0, [], true]);
    const kept = await project.ask('erasure', 'verify', '--head', erasure.certificateHash);
    expect(kept.code).toBe(0);
    const cut = await project.ask('erasure', 'verify', '--head', 'f'.repeat(64));
    expect(cut.code).toBe(3);
    expect(await daemon.end('SIGTERM')).toBe(0);
    await eventually(
      'no file has it after the daemon has ended',
      () => filesWith(folder, valuesOf(poison)).length === 0,
    );
  },
);

test('where a command saw a value that it could not remove, a daemon that does not know the value says so, and never that it is gone', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { db, source } = project;
  // Somebody else's order tells the subject: it is not the subject's row, so nothing deletes it.
  await db.client.query(`update orders set note = 'a gift for ${valuesOf(poison)[0]}' where customer_id = 3`);
  const daemon = project.up();
  await project.caughtUp();
  const waited = await project.ask('erase', 'customer', String(poison), '--wait');
  const [seen] = waited.answer;
  const where = [
    ['topic', `${source}.public.orders`],
    ['generation', 'local/orders_local g1'],
    ['log files', 'log'],
    ['store files', 'local'],
  ] as const;
  expect([waited.code, seen.phase]).toEqual([1, 'passed']);
  for (const [kind, name] of where)
    expect(placeOf(seen.places, kind, name)).toMatchObject({ state: 'applied' });

  const finished = await eventually('the daemon finishes it', async () => {
    const { answer } = await project.ask('erasure', 'show', seen.id);
    return answer.phase === 'completed' && answer;
  });
  const { places } = finished.certificate.body;
  const verified = await project.ask('erasure', 'verify');
  for (const [kind, name] of where)
    for (const found of [placeOf(places, kind, name), placeOf(verified.answer[0].places, kind, name)])
      expect(found).toMatchObject({
        state: 'unverifiable',
        reason: expect.stringContaining('A value of the subject was seen here at '),
      });
  expect(placeOf(places, 'topic', `${source}.public.payments`)).toMatchObject({ state: 'verified' });
  expect(await daemon.end('SIGTERM')).toBe(0);
});

test('no value and no identifier is in the journal, its copy, a certificate, a log line, an error or an answer', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { db, folder } = project;
  const stubborn = 7_310_015;
  await insert(db, stubborn, stubborn);
  const secrets = [poison, stubborn].flatMap((id) => [...valuesOf(id), String(id)]);
  await db.client.query(
    `create table holds (customer bigint references customers); insert into holds values (${stubborn})`,
  );
  project.up();
  await project.caughtUp();

  const words = 'jane.doe@example.org';
  for (const id of [words, String(stubborn)]) {
    const refused = await project.ask('erase', 'customer', id, '--wait');
    expect([refused.code === 0, refused.output]).toEqual([false, expect.not.stringContaining(id)]);
  }
  // Nothing was deleted, so nothing is said to have passed, and nothing is kept out.
  const left = await project.ask('erasure', 'finish');
  expect([left.code, left.answer[0].phase]).toEqual([1, 'requested']);
  await db.client.query(`update customers set name = 'still here' where id = ${stubborn}`);
  await project.caughtUp();
  expect(await project.row('customer', stubborn)).toMatchObject({ name: 'still here' });

  await db.client.query('drop table holds');
  const file = join(folder, 'ids');
  writeFileSync(file, `${stubborn}\n${poison}\n`);
  const erased = await project.ask('erase', 'customer', '--file', file, '--wait');
  rmSync(file);
  expect(erased.answer.map((e: { phase: string }) => e.phase)).toEqual(['completed', 'completed']);
  expect(erased.answer[0].id).toBe(left.answer[0].id);
  for (const { id } of erased.answer) await project.ask('erasure', 'show', id, '--html', `${id}.html`);
  const nowhere = await project.ask('erasure', 'show', erased.answer[0].id, '--html', 'no/folder/page.html');
  expect([nowhere.code, nowhere.answer.error.code]).toEqual([2, 'USAGE']);
  for (const command of [
    ['erasures'],
    ['erasure', 'verify'],
    ['erasure', 'finish'],
    ['dlq', 'list'],
    ['status'],
  ])
    await project.ask(...command);

  const log = await project.openLog();
  const journal = await recordsOf(log, `__${project.source}.erasures`);
  await log.close();
  const told = [
    project.printed(),
    ...journal.map((record) => JSON.stringify([String(record.key), String(record.value), record.headers])),
    ...readdirSync(folder)
      .filter((name) => name.endsWith('.html'))
      .map((name) => readFileSync(join(folder, name), 'utf8')),
    ...readdirSync(join(folder, '.insideout')).map((name) =>
      readFileSync(join(folder, '.insideout', name), 'utf8'),
    ),
  ];
  expect(journal.length).toBeGreaterThan(8);
  expect(told.join('').length).toBeGreaterThan(10_000);
  for (const secret of [...secrets, words])
    for (const text of told) {
      const at = text.indexOf(secret);
      expect(at < 0 ? null : text.slice(Math.max(0, at - 200), at + 100)).toBeNull();
    }
});
