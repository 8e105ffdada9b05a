import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { caughtUp, type Project, project, shape, table } from './rebuild-project.ts';

interface Ready {
  readonly ready: boolean;
  readonly waitingFor: readonly { readonly unit: string; readonly reason: string }[];
}

const sql = (of: Project, text: string) => {
  const db = new Database(join(of.folder, 'views.db'));
  try {
    return text.startsWith('select') ? db.prepare(text).all() : db.exec(text);
  } finally {
    db.close();
  }
};

test('a rebuild that was killed with SIGKILL goes on where it was, in the same generation, and promotes it', async () => {
  const p = await project({ rebuild: 'maxRecordsPerSecond: 600' });
  await p.write(1, 3_000);
  await p.daemon('old');
  await caughtUp(p);

  const killed = p.start('new', 'rebuild', 'card', '--promote');
  await eventually('a part of it is built', async () => (await p.applied(2)) >= 500);
  await killed.end('SIGKILL');
  const before = await p.applied(2);
  expect(before).toBeGreaterThanOrEqual(500);
  expect(before).toBeLessThan(3_000);
  // A row that was built before is taken away: only who starts over would bring it back.
  const [{ customer_id: gone }] = sql(p, `select min(customer_id) customer_id from ${table(2)}`) as [
    { customer_id: number },
  ];
  sql(p, `delete from ${table(2)} where customer_id = ${gone}`);

  const { code, answer } = await p.ask('new', 'rebuild', 'card', '--promote');
  expect({ code, answer }).toMatchObject({
    code: 0,
    answer: {
      resumed: true,
      generations: [{ view: 'card', generation: 2 }],
      promoted: [{ view: 'card', from: 1, to: 2 }],
    },
  });
  expect(await p.store.active('card')).toBe(2);
  expect(await p.labels(2)).toEqual(
    Array.from({ length: 3_000 }, (_, i) => `n${i + 1}!`)
      .filter((label) => label !== `n${gone}!`)
      .sort(),
  );
});

test('two daemons and a rebuild share its partitions, and those of one that is killed go to the others', async () => {
  const p = await project({ partitions: 6, rebuild: 'maxRecordsPerSecond: 150' });
  await p.write(1, 1_000);
  const daemons = [await p.daemon('old'), await p.daemon('old')];
  await p.write(1_001, 4_000);
  await caughtUp(p);
  const rebuild = p.start('old', '--json', 'rebuild', 'card', '--promote');
  await eventually(
    'both daemons build along',
    async () =>
      (await daemons[0]!.metric('view_records_total', 2)) > 0 &&
      (await daemons[1]!.metric('view_records_total', 2)) > 0,
  );
  await daemons[0]!.end('SIGKILL');
  expect(await p.applied(2)).toBeLessThan(4_000);
  expect(await rebuild.exited).toBe(0);
  const answer = JSON.parse(rebuild.output());
  expect(answer).toMatchObject({ resumed: false, gate: [{ passed: true, changed: false }] });
  // Neither did it all alone.
  const other = await daemons[1]!.metric('view_records_total', 2);
  expect(other).toBeGreaterThan(0);
  expect(other).toBeLessThan(4_000);
  expect(await p.labels(2)).toEqual(await p.labels(1));
});

test('what is behind, or differs without reason, is not promoted; forced, it is, and the history says so', async () => {
  const p = await project();
  await p.write(1, 20);
  const daemon = await p.daemon('old');
  await caughtUp(p);
  await daemon.end('SIGTERM');

  expect((await p.ask('old', 'rebuild', 'card')).answer).toMatchObject({ gate: null, promoted: null });
  const unbuilt = await p.ask('old', 'promote', 'card');
  expect(unbuilt).toMatchObject({ code: 1, answer: { error: { code: 'VIEW_GATE' } } });
  expect(unbuilt.answer.error.message).toContain('no process has begun to build it');
  expect(await p.store.active('card')).toBe(1);

  const built = await p.ask('old', 'rebuild', 'card', '--wait');
  expect(built).toMatchObject({ code: 0, answer: { resumed: true, promoted: null } });
  expect(await p.store.active('card')).toBe(1);
  await p.write(21, 23);
  const behind = await p.ask('old', 'promote', 'card');
  expect(behind.code).toBe(1);
  expect(behind.answer.error.message).toContain('3 records behind');

  expect((await p.ask('old', 'rebuild', 'card', '--wait')).code).toBe(1);
  const blue = await p.daemon('old');
  await caughtUp(p);
  await caughtUp(p, 2);
  sql(p, `update ${table(2)} set label = 'x' where customer_id = 7`);
  sql(p, `delete from ${table(2)} where customer_id = 8`);
  const differs = await p.ask('old', 'promote', 'card');
  expect(differs).toMatchObject({ code: 1, answer: { error: { code: 'VIEW_GATE' } } });
  expect(differs.answer.error.message).toContain('2 rows differ');
  expect(await p.store.active('card')).toBe(1);

  const forced = await p.ask('old', 'promote', 'card', '--force');
  expect(forced).toMatchObject({ code: 0, answer: { moves: [{ view: 'card', from: 1, to: 2 }] } });
  expect(await p.store.active('card')).toBe(2);
  const { answer: history } = await p.ask('old', 'history', 'card');
  expect(history.at(-1)).toMatchObject({
    type: 'promoted',
    forced: true,
    by: expect.stringContaining('@'),
    gate: [{ view: 'card', passed: false, differing: 2, rows: { blue: 23, green: 22 } }],
  });
  await blue.end('SIGTERM');
});

test('a changed definition is promoted with a report of what differs, and rolled back with all later writes', async () => {
  const p = await project();
  await p.write(1, 10);
  const blue = await p.daemon('old');
  await caughtUp(p);
  const { answer } = await p.ask('new', 'rebuild', 'card', '--promote');
  const [report] = answer.gate;
  expect(report).toMatchObject({
    changed: true,
    passed: true,
    comparison: { differences: { changed: 10, onlyBlue: 0, onlyGreen: 0 } },
  });
  expect(report.comparison.differences.examples[0]).toMatchObject({ kind: 'changed', columns: ['label'] });
  expect(Object.keys(report.comparison.differences.examples[0])).toContain('key');

  const green = await p.daemon('new');
  await p.write(11, 20);
  await caughtUp(p, 1);
  await caughtUp(p, 2);
  const back = await p.ask('new', 'rollback', 'card');
  expect(back).toMatchObject({ code: 0, answer: { moves: [{ view: 'card', from: 2, to: 1 }] } });
  expect(await p.store.active('card')).toBe(1);
  expect(await p.labels(1)).toEqual(Array.from({ length: 20 }, (_, i) => `n${i + 1}`).sort());

  // Forth again, and then nobody keeps the former one any more.
  expect((await p.ask('new', 'rollback', 'card')).code).toBe(0);
  await blue.end('SIGTERM');
  await p.write(21, 25);
  await caughtUp(p, 2);
  const refused = await p.ask('new', 'rollback', 'card');
  expect(refused).toMatchObject({ code: 1, answer: { error: { code: 'VIEW_GATE' } } });
  expect(refused.answer.error.message).toContain('5 records behind');
  expect(await p.store.active('card')).toBe(2);
  await green.end('SIGTERM');
});

test('a daemon with a changed config says so, and leaves the rows of the former definition alone', async () => {
  const p = await project();
  await p.write(1, 10);
  const old = await p.daemon('old');
  await caughtUp(p);
  await old.end('SIGTERM');
  const before = await p.labels(1);

  const changed = await p.daemon('new');
  await p.write(5, 15);
  const reason = await eventually('it is not ready', async () => {
    const { ready, waitingFor } = (await (await fetch(`${changed.url}/readyz`)).json()) as Ready;
    return !ready && waitingFor.find((w) => w.reason.includes('was changed'));
  });
  expect(reason).toMatchObject({ unit: 'card' });
  const { answer: plan } = await p.ask('new', 'plan');
  expect(plan).toMatchObject([{ view: 'card', standing: 'changed', active: 1 }]);
  expect(await p.labels(1)).toEqual(before);
  expect(await p.applied(1)).toBe(10);

  // Once it is rebuilt the same daemon follows it.
  expect((await p.ask('new', 'rebuild', 'card', '--promote')).code).toBe(0);
  await eventually('it is ready', async () => (await fetch(`${changed.url}/readyz`)).ok);
  await p.write(16, 17);
  await caughtUp(p, 2);
  expect(await p.labels(1)).toEqual(before);
  expect(await p.labels(2)).toHaveLength(17);
});

test('once its time of grace is over a generation goes without a trace, with its view topic', async () => {
  const chain = `{
    name: 'names', from: { view: 'card' }, store: 'local',
    columns: { customer_id: 'bigint', label: 'text' }, key: ['customer_id'],
  }`;
  const p = await project({ rebuild: 'graceMs: 500', views: chain });
  await p.write(1, 10);
  await p.daemon('old');
  await caughtUp(p);
  await eventually('both are shown', () => p.store.active('names'));
  const promoted = await p.ask('old', 'rebuild', 'card', '--promote');
  expect(promoted.answer.promoted).toHaveLength(2);
  await eventually('the former ones are gone', async () => {
    const { answer } = await p.ask('old', 'generations');
    return answer.every((g: { generation: number }) => g.generation === 2);
  });
  const names = (sql(p, 'select name from sqlite_master') as { name: string }[]).map((r) => r.name);
  expect(names.filter((name) => name.includes('g1'))).toEqual([]);
  expect(names).toContain('card__g2');
  expect((await p.log.topics()).filter((t) => t.startsWith('insideout.view.'))).toEqual([
    'insideout.view.card.g2',
  ]);
  expect((await p.ask('old', 'generations', '--orphans')).answer).toEqual([]);
});

test('what a crash left is found, and removed when asked, and nothing else', async () => {
  const p = await project();
  await p.write(1, 10);
  await p.daemon('old');
  await caughtUp(p);
  await p.store.open(shape, 77);
  await p.log.ensureTopics([{ name: 'insideout.view.card.g55', partitions: 2, cleanup: 'compact' }]);
  const planted = [
    { kind: 'generation', store: 'local', view: 'card', generation: 77 },
    { kind: 'topic', view: 'card', generation: 55, topic: 'insideout.view.card.g55' },
  ];
  expect((await p.ask('old', 'generations', '--orphans')).answer).toMatchObject(planted);
  const { code, answer } = await p.ask('old', 'retire', '--orphans');
  expect({ code, answer }).toMatchObject({ code: 0, answer: { removed: planted } });
  expect((await p.ask('old', 'generations', '--orphans')).answer).toEqual([]);
  expect(await p.store.generations('card')).toEqual([1]);
  expect((await p.log.topics()).filter((t) => t.startsWith('insideout.view.'))).toEqual([]);
  expect(await p.labels(1)).toHaveLength(10);
  // What readers see cannot be removed, orphan or not.
  expect(await p.ask('old', 'retire', 'card', '1')).toMatchObject({
    code: 2,
    answer: { error: { code: 'USAGE' } },
  });
});
