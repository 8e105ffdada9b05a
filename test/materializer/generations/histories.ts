import fc from 'fast-check';
import { expect } from 'vitest';
import { isInsideoutError } from '../../../core/errors.ts';
import { activeOf } from '../../../materializer/generations/catalog-state.ts';
import { settlePromotions } from '../../../materializer/generations/promote.ts';
import { due, retire } from '../../../materializer/generations/retire.ts';
import { readsWhatIsSeen } from '../../../materializer/generations/stage.ts';
import { type Change, configs, type ViewName, viewNames } from './family.ts';
import { type Place, World } from './world.ts';

/** What happens in a history, one after the other. */
export type Step =
  | { readonly do: 'write'; readonly changes: readonly Change[] }
  | { readonly do: 'rebuild'; readonly view: ViewName; readonly config: number }
  | { readonly do: 'promote'; readonly view: ViewName; readonly force: boolean }
  | { readonly do: 'rollback'; readonly view: ViewName }
  | { readonly do: 'retire' }
  | { readonly do: 'crash'; readonly which: number }
  /** The operator's process is killed between writing down that it promotes and writing down that it has. */
  | { readonly do: 'promoteAndDie'; readonly view: ViewName; readonly moved: boolean }
  | { readonly do: 'check' };

const id = fc.integer({ min: 1, max: 9 });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('upsert' as const),
      id,
      row: fc.record({
        name: fc.constantFrom('ann', 'bob', 'hidden', 'gone', ''),
        visits: fc.integer({ min: 0, max: 9 }),
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), id }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('move' as const), id, to: id }) },
  { weight: 1, arbitrary: fc.constant<Change>({ op: 'truncate' }) },
);
const view = fc.constantFrom(...viewNames);
const write = fc.record({
  do: fc.constant('write' as const),
  changes: fc.array(change, { minLength: 1, maxLength: 12 }),
});
const crash = fc.record({ do: fc.constant('crash' as const), which: fc.nat(9) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: write },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('rebuild' as const),
      view,
      config: fc.nat(configs.length - 1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('promote' as const), view, force: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rollback' as const), view }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'retire' }) },
  { weight: 3, arbitrary: crash },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('promoteAndDie' as const), view, moved: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'check' }) },
);

/** Histories in which something is rebuilt and promoted at least once, with all sorts of things around it. */
export const histories = (length: number): fc.Arbitrary<Step[]> =>
  fc
    .tuple(
      write,
      fc.array(step, { maxLength: length }),
      view,
      fc.nat(configs.length - 1),
      fc.array(step, { maxLength: length }),
      write,
    )
    .map(([first, before, name, config, after, last]) => [
      first,
      ...before,
      { do: 'rebuild', view: name, config },
      ...after,
      { do: 'promote', view: name, force: false },
      last,
    ]);

/** Goes through a history and checks every generation on the way and at the end. */
export async function goThrough(steps: readonly Step[], place: Place): Promise<void> {
  const world = await World.open(place);
  try {
    world.run(0);
    for (const at of steps) await take(world, at);
    await begun(world);
    const { catalog, stores } = await world.operator();
    await settlePromotions(catalog, stores.get);
    await world.check();
    await world.checkTopics();
    await nothingLeft(world, place);
  } finally {
    await world.close();
  }
}

async function take(world: World, at: Step): Promise<void> {
  switch (at.do) {
    case 'write':
      return world.write(at.changes);
    case 'rebuild': {
      world.run(at.config);
      await begun(world);
      const management = await world.operator(at.config);
      await management.stage(at.view, world.signal).catch(unlessNothingFeedsIt);
      return;
    }
    case 'promote':
      return promote(world, at);
    case 'rollback': {
      await begun(world);
      const management = await world.operator();
      await settlePromotions(management.catalog, management.stores.get);
      const entries = ifAny(() => management.replaced(at.view));
      if (entries.length === 0) return;
      const wishes = { force: false, waitMs: 60_000, signal: world.signal };
      const reports = await management.gate(entries, wishes, false);
      await management.move(entries, { kind: 'rollback', reports, force: false });
      return;
    }
    case 'retire': {
      const { catalog, log, stores } = await world.operator();
      await settlePromotions(catalog, stores.get);
      const entries = due(catalog.state, 0, Date.now() + 1_000);
      await retire(entries, { catalog, log, store: stores.get, signal: world.signal });
      return;
    }
    case 'crash':
      return world.crash(at.which);
    case 'promoteAndDie': {
      await begun(world);
      const management = await world.operator();
      const { catalog, stores } = management;
      await settlePromotions(catalog, stores.get);
      const entries = ifAny(() => management.building(at.view));
      if (!entries.every((e) => readsWhatIsSeen(e, entries, catalog.state))) return;
      if (entries.length === 0) return;
      const store = await stores.get('stored');
      const moves = await Promise.all(
        entries.map(async (e) => ({ view: e.view, from: await store.active(e.view), to: e.generation })),
      );
      await catalog.record({ type: 'promoting', kind: 'promote', moves, gate: [], forced: true });
      if (!at.moved) return;
      for (const e of entries) await store.open(e.shape, e.generation);
      expect(await store.promote(moves.map((m, i) => ({ ...m, view: entries[i]!.shape })))).toBe(true);
      return;
    }
    case 'check': {
      const { catalog, stores } = await world.operator();
      await settlePromotions(catalog, stores.get);
      return world.check();
    }
  }
}

async function promote(world: World, { view: name, force }: { view: ViewName; force: boolean }) {
  await begun(world);
  const management = await world.operator();
  const { catalog, stores } = management;
  await settlePromotions(catalog, stores.get);
  const entries = ifAny(() => management.building(name));
  if (entries.length === 0) return;
  for (const e of entries) await (await stores.get('stored')).open(e.shape, e.generation);
  // Readers were moved from what feeds it: it is no longer for promotion, forced or not.
  if (!entries.every((e) => readsWhatIsSeen(e, entries, catalog.state))) {
    await expect(management.gate(entries, { force, waitMs: 0, signal: world.signal })).rejects.toMatchObject({
      code: 'CATALOG_CONFLICT',
    });
    return;
  }
  const wishes = { force, waitMs: force ? 0 : 60_000, signal: world.signal };
  const reports = await management.gate(entries, wishes);
  if (!force)
    for (const [i, report] of reports.entries()) {
      const blue = activeOf(catalog.state, report.view);
      const alike = blue === null || world.same(blue, entries[i]!, catalog.state.generations);
      // The gate knows exactly what may not be promoted, and why.
      expect(
        report.passed,
        `${report.view} g${report.generation}: ${report.missing.join('; ') || 'nothing is missing'}`,
      ).toBe(report.changed || alike);
    }
  if (force || reports.every((r) => r.passed))
    await management.move(entries, { kind: 'promote', reports, force });
}

/** Every view has a generation: the first ones are staged by the daemons. */
async function begun(world: World): Promise<void> {
  const { catalog } = await world.operator();
  await expect
    .poll(() => viewNames.filter((name) => activeOf(catalog.state, name) === null), { timeout: 20_000 })
    .toEqual([]);
}

/** What was retired has left nothing, neither in the store nor in the Log. */
async function nothingLeft(world: World, place: Place): Promise<void> {
  const { catalog } = await world.operator();
  const live = catalog.state.generations.filter((g) => g.state !== 'retired');
  for (const name of viewNames) {
    const known = live.filter((g) => g.view === name).map((g) => g.generation);
    expect((await world.generationsLeft(name)).filter((id) => !known.includes(id))).toEqual([]);
  }
  const topics = (await world.topics()).filter((t) => t.startsWith(`${place.namespace}.view.`));
  expect(topics.filter((t) => !live.some((g) => g.output === t))).toEqual([]);
}

function ifAny<T>(choose: () => T[]): T[] {
  try {
    return choose();
  } catch (error) {
    if (isInsideoutError(error, 'USAGE')) return [];
    throw error;
  }
}

function unlessNothingFeedsIt(error: unknown): void {
  if (!isInsideoutError(error, 'VIEW_CHANGED')) throw error;
}
