import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  activeOf,
  buildingOf,
  emptyCatalog,
  entryOf,
  fold,
  generationsOf,
  nextGeneration,
  openPromotions,
  refusal,
} from '../../../materializer/generations/catalog-state.ts';
import type { CatalogEvent, Happening } from '../../../materializer/generations/events.ts';
import { after, event, promoted, promoting, staged, staging } from './catalog-entries.ts';

const retiring = (view: string, generation: number): Happening => ({ type: 'retiring', view, generation });
const retired = (view: string, generation: number): Happening => ({ type: 'retired', view, generation });
const first = (view: string) => (state: typeof emptyCatalog) => staging(state, [staged(view, 1)], 'first');
const rebuild = (view: string, generation: number) => (state: typeof emptyCatalog) =>
  staging(state, [staged(view, generation)]);

test('of two processes that stage at once the first in the Log wins, and the state is that of the winner alone', () => {
  const one = event(staging(emptyCatalog, [staged('v', 1, { fingerprint: 'one' })], 'first'));
  const two = event(staging(emptyCatalog, [staged('v', 1, { fingerprint: 'two' })], 'first'));
  const state = [one, two].reduce(fold, emptyCatalog);
  expect(buildingOf(state, 'v')?.fingerprint).toBe('one');
  expect(state.history).toEqual([one]);
  expect(refusal(fold(emptyCatalog, one), two)).toContain('staged meanwhile');
});

test('a view has one generation that is being built, and no number is used twice', () => {
  const state = after(first('v'), promoted([['v', null, 1]], 'first'), rebuild('v', 2));
  expect(refusal(state, event(staging(state, [staged('v', 3)])))).toContain('being built');
  const gone = [event(retiring('v', 2)), event(retired('v', 2))].reduce(fold, state);
  expect(nextGeneration(gone, 'v')).toBe(3);
  expect(refusal(gone, event(staging(gone, [staged('v', 2)])))).toContain('taken');
  expect(refusal(gone, event(staging(gone, [staged('v', 3)])))).toBeNull();
  expect(refusal(gone, event(staging(gone, [staged('v', 3)], 'first')))).toContain('has a generation');
});

test('a promotion makes one active and leaves the other in grace, and a rollback the other way round', () => {
  const promote = after(
    first('v'),
    promoted([['v', null, 1]], 'first'),
    rebuild('v', 2),
    promoted([['v', 1, 2]]),
  );
  expect(activeOf(promote, 'v')?.generation).toBe(2);
  expect(entryOf(promote, 'v', 1)).toMatchObject({ state: 'grace', replacedAt: 1_000 });
  const back = fold(promote, event(promoted([['v', 2, 1]], 'rollback'), 2_000));
  expect(entryOf(back, 'v', 1)).toMatchObject({ state: 'active', promotedAt: 2_000, replacedAt: null });
  expect(entryOf(back, 'v', 2)).toMatchObject({ state: 'grace', replacedAt: 2_000 });
});

test('what readers see, or are about to see, is not retired', () => {
  const state = after(first('v'), promoted([['v', null, 1]], 'first'), rebuild('v', 2));
  expect(refusal(state, event(retiring('v', 1)))).toContain('active');
  const begun = fold(state, event(promoting([['v', 1, 2]])));
  expect(refusal(begun, event(retiring('v', 2)))).toContain('being promoted');
  const given = fold(begun, event({ type: 'notPromoted', moves: [{ view: 'v', from: 1, to: 2 }] }));
  expect(refusal(given, event(retiring('v', 2)))).toBeNull();
});

test('what is being retired is neither promoted nor retired again', () => {
  const state = after(first('v'), promoted([['v', null, 1]], 'first'), rebuild('v', 2), retiring('v', 2));
  expect(refusal(state, event(promoted([['v', 1, 2]])))).toContain('retiring');
  expect(refusal(state, event(promoting([['v', 1, 2]])))).toContain('retiring');
  expect(refusal(state, event(retiring('v', 2)))).toContain('already');
  expect(generationsOf(fold(state, event(retired('v', 2))), 'v')).toHaveLength(1);
});

test('what readers see is retired by force only, and what was abandoned exists no more, until it is retired after all', () => {
  const state = after(first('v'), promoted([['v', null, 1]], 'first'));
  const abandoned: Happening = { type: 'abandoned', view: 'v', generation: 1 };
  expect(refusal(state, event(abandoned))).toContain('active');
  const going = fold(state, event({ ...retiring('v', 1), forced: true } as Happening));
  expect(activeOf(going, 'v')).toBeNull();
  const gone = fold(going, event(abandoned, 2_000));
  expect(entryOf(gone, 'v', 1)).toMatchObject({ state: 'abandoned', abandoned: { at: 2_000, by: 'test' } });
  expect(generationsOf(gone, 'v')).toEqual([]);
  expect(nextGeneration(gone, 'v')).toBe(2);
  expect(refusal(gone, event(promoted([['v', null, 1]])))).toContain('abandoned');
  expect(refusal(gone, event(abandoned))).toContain('already');
  const back = [retiring('v', 1), retired('v', 1)].map((h) => event(h)).reduce(fold, gone);
  expect(entryOf(back, 'v', 1)).toMatchObject({ state: 'retired', abandoned: null });
  expect(refusal(back, event(abandoned))).toContain('already');
});

test('the first generation is shown once, whoever says so', () => {
  const state = after(first('v'), promoted([['v', null, 1]], 'first'));
  expect(refusal(state, event(promoted([['v', null, 1]], 'first')))).toContain('active already');
});

test('what names a generation that does not exist is refused', () => {
  expect(refusal(emptyCatalog, event(promoted([['v', null, 1]])))).toContain('no generation');
  expect(refusal(emptyCatalog, event(retiring('v', 1)))).toContain('no generation');
});

test('a promotion is open from when it is begun until it is done or given up', () => {
  const state = after(
    first('v'),
    promoted([['v', null, 1]], 'first'),
    rebuild('v', 2),
    promoting([['v', 1, 2]]),
  );
  expect(openPromotions(state)).toHaveLength(1);
  expect(openPromotions(fold(state, event(promoted([['v', 1, 2]]))))).toEqual([]);
});

const views = fc.constantFrom('v', 'w');
const number = fc.integer({ min: 1, max: 4 });
const anything: fc.Arbitrary<CatalogEvent> = fc
  .oneof(
    fc.record({ view: views, generation: number, epoch: number, first: fc.boolean() }).map(
      ({ view, generation, epoch, first: isFirst }): Happening => ({
        type: 'staged',
        epoch,
        reason: isFirst ? 'first' : 'rebuild',
        generations: [staged(view, generation)],
      }),
    ),
    fc
      .record({ view: views, from: fc.option(number), to: number, begin: fc.boolean() })
      .map(({ view, from, to, begin }) =>
        begin ? promoting([[view, from, to]]) : promoted([[view, from, to]]),
      ),
    fc.record({ view: views, to: number }).map(({ view, to }) => retiring(view, to)),
    fc.record({ view: views, to: number }).map(({ view, to }) => retired(view, to)),
  )
  .map((happening) => event(happening));

test('whatever events come, in whatever order, a view has at most one active and one building generation', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 40 }), (events) => {
      let state = emptyCatalog;
      for (const next of events) {
        const before = state;
        const refused = refusal(state, next);
        state = fold(state, next);
        if (refused !== null) expect(state).toBe(before);
        for (const view of ['v', 'w']) {
          const of = state.generations.filter((g) => g.view === view);
          expect(of.filter((g) => g.state === 'active').length).toBeLessThan(2);
          expect(of.filter((g) => g.state === 'building').length).toBeLessThan(2);
          expect(new Set(of.map((g) => g.generation)).size).toBe(of.length);
          // Readers never lose what they had.
          if (activeOf(before, view)) expect(activeOf(state, view)).not.toBeNull();
        }
      }
    }),
    { numRuns: 500 },
  );
});
