import { expect, test } from 'vitest';
import { closureOf, inOrder } from '../../../materializer/dependencies.ts';
import type { CatalogState } from '../../../materializer/generations/catalog-state.ts';
import { planViews } from '../../../materializer/generations/plan.ts';
import { readsWhatIsSeen, stage } from '../../../materializer/generations/stage.ts';
import {
  defineView,
  fingerprint,
  type ViewDeclaration,
  type ViewDefinition,
} from '../../../materializer/view-definition.ts';
import { after, promoted, staging } from './catalog-entries.ts';

const declared = (name: string, more: Partial<ViewDeclaration> = {}): ViewDeclaration => ({
  name,
  from: 'shop.public.t',
  store: 'a',
  columns: { id: 'bigint' },
  key: ['id'],
  ...more,
});
const views = (...list: ViewDeclaration[]): ViewDefinition[] => inOrder(list.map((v) => defineView(v)));
const reading = (view: string): Partial<ViewDeclaration> => ({ from: { view } });

const chain = () =>
  views(
    declared('last', reading('middle')),
    declared('middle', reading('base')),
    declared('base'),
    declared('other'),
  );

const stageAll = (of: readonly ViewDefinition[], state: CatalogState) =>
  stage({ views: of, state, namespace: 'insideout', taken: () => 0 });

/** Every view of the config has one generation, which readers see. */
function running(of: readonly ViewDefinition[]): CatalogState {
  return after(
    (state) => staging(state, stageAll(of, state), 'first'),
    promoted(
      of.map((v) => [v.shape.name, null, 1]),
      'first',
    ),
  );
}
const shown = (of: readonly ViewDefinition[], id: number | null = 1) =>
  new Map(of.map((v) => [v.shape.name, id]));
const standings = (planned: ReturnType<typeof planViews>) =>
  Object.fromEntries(planned.map((p) => [p.view, p.standing]));

test('a rebuild takes every view along that is fed by it, each fed by the new generation, and no other', () => {
  const config = chain();
  const state = running(config);
  const closure = closureOf(config, 'base');
  expect(closure.map((v) => v.shape.name)).toEqual(['base', 'middle', 'last']);
  const staged = stageAll(closure, state);
  expect(staged.map((s) => [s.view, s.generation, s.input, s.output])).toEqual([
    ['base', 2, 'shop.public.t', 'insideout.view.base.g2'],
    ['middle', 2, 'insideout.view.base.g2', 'insideout.view.middle.g2'],
    ['last', 2, 'insideout.view.middle.g2', null],
  ]);
});

test('a view in the middle is rebuilt from the generation that readers see of what feeds it', () => {
  const config = chain();
  const staged = stageAll(closureOf(config, 'middle'), running(config));
  expect(staged.map((s) => [s.view, s.input])).toEqual([
    ['middle', 'insideout.view.base.g1'],
    ['last', 'insideout.view.middle.g2'],
  ]);
});

test('what feeds a generation must be what readers see, or come along with it', () => {
  const config = chain();
  const building = after(
    (state) => staging(state, stageAll(config, state), 'first'),
    promoted(
      config.map((v) => [v.shape.name, null, 1]),
      'first',
    ),
    (state) => staging(state, stageAll(closureOf(config, 'middle'), state)),
  );
  const together = building.generations.filter((g) => g.state === 'building');
  expect(together.map((g) => [g.view, readsWhatIsSeen(g, together, building)])).toEqual([
    ['middle', true],
    ['last', true],
  ]);
  expect(readsWhatIsSeen(together[1]!, [], building)).toBe(false);
  // Readers are moved to another generation of what feeds the first of them.
  const moved = {
    ...building,
    generations: building.generations.map((g) => (g.view === 'base' ? { ...g, state: 'grace' as const } : g)),
  };
  expect(together.map((g) => readsWhatIsSeen(g, together, moved))).toEqual([false, true]);
});

test('a number that the store knows is not used again', () => {
  const [other] = closureOf(chain(), 'other') as [ViewDefinition];
  const staged = stage({ views: [other], state: running(chain()), namespace: 'n', taken: () => 41 });
  expect(staged[0]?.generation).toBe(42);
});

test('a view cannot be built from one that is not in the Log, and is told what to rebuild', () => {
  const before = views(declared('base'));
  const config = views(declared('base'), declared('reader', reading('base')));
  const state = running(before);
  const [reader] = closureOf(config, 'reader') as [ViewDefinition];
  expect(() => stageAll([reader], state)).toThrow(/not written to the Log/);
  expect(() => stageAll([reader], state)).toThrow(
    expect.objectContaining({ code: 'VIEW_CHANGED', hint: expect.stringContaining('rebuild base') }),
  );
});

test('unchanged, changed, new, removed and unknown views are told apart', () => {
  const config = views(declared('same'), declared('altered'), declared('gone'), declared('strange'));
  const state = running(config.filter((v) => v.shape.name !== 'strange'));
  const next = views(
    declared('same'),
    declared('altered', { version: 2 }),
    declared('fresh'),
    declared('strange'),
  );
  const planned = planViews(
    next,
    state,
    new Map([
      ['same', 1],
      ['altered', 1],
      ['fresh', null],
      ['strange', 8],
    ]),
  );
  expect(standings(planned)).toEqual({
    same: 'unchanged',
    altered: 'changed',
    fresh: 'new',
    strange: 'unknown',
    gone: 'removed',
  });
});

test('the views that depend on a changed one follow it, and others do not', () => {
  const config = chain();
  const state = running(config);
  const next = config.map((v) => (v.shape.name === 'base' ? { ...v, version: '2' } : v));
  const planned = planViews(next, state, shown(next));
  expect(planned.map((p) => [p.view, p.standing, p.follows])).toEqual([
    ['base', 'changed', null],
    ['other', 'unchanged', null],
    ['middle', 'unchanged', 'base'],
    ['last', 'unchanged', 'base'],
  ]);
  expect(planned[0]?.dependents).toEqual(['middle', 'last']);
});

test('a view that another begins to read is changed, since it has to be written to the Log from then on', () => {
  const before = views(declared('base'));
  const next = views(declared('base'), declared('reader', reading('base')));
  const [was] = before as [ViewDefinition];
  const [is] = next as [ViewDefinition];
  expect([was.published, is.published]).toEqual([false, true]);
  expect(fingerprint(is)).not.toBe(fingerprint(was));
  const planned = planViews(next, running(before), new Map([['base', 1]]));
  expect(standings(planned)).toEqual({ base: 'changed', reader: 'new' });
});

test('what is being built is shown, and whether it is of this definition', () => {
  const config = views(declared('v'));
  const state = after(
    (s) => staging(s, stageAll(config, s), 'first'),
    promoted([['v', null, 1]], 'first'),
    (s) => staging(s, stageAll(config, s)),
  );
  expect(planViews(config, state, shown(config))[0]).toMatchObject({ building: 2, buildingFits: true });
  const changed = config.map((v) => ({ ...v, version: '2' }));
  expect(planViews(changed, state, shown(changed))[0]).toMatchObject({ building: 2, buildingFits: false });
});
