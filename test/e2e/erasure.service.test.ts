import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { erasureProject, filesWith, valuesOf } from './erasure-project.ts';

test('erased on the embedded Log and SQLite, a subject is in no file, every place says how that is known, and the certificate verifies', {
  timeout: 180_000,
}, async () => {
  const project = await erasureProject();
  const { folder } = project;
  const daemon = project.up();
  await project.caughtUp();
  expect(await project.row('customer', 13)).toMatchObject({ email: valuesOf(13)[0] });
  expect(filesWith(folder, valuesOf(13)).length).toBeGreaterThan(0);
  const before = (await project.ask('dlq', 'list')).answer;
  expect(before).toHaveLength(1);

  const erased = await project.ask('erase', 'customer', '13', '--wait');
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

  expect(filesWith(folder, valuesOf(13))).toEqual([]);
  expect((await project.ask('dlq', 'list')).answer).toEqual([]);
  for (const view of ['customer', 'copy', 'picky', 'payments'] as const)
    expect([view, await project.row(view, 13)]).toEqual([view, null]);
  expect(await project.row('reviews', 13)).toMatchObject({ author: 'somebody', stars: 5 });
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
    () => filesWith(folder, valuesOf(13)).length === 0,
  );
});
