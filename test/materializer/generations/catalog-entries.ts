import type { ViewShape } from '../../../core/view.ts';
import {
  type CatalogState,
  emptyCatalog,
  fold,
  refusal,
} from '../../../materializer/generations/catalog-state.ts';
import type { CatalogEvent, Happening, StagedGeneration } from '../../../materializer/generations/events.ts';

export const shapeOf = (name: string): ViewShape => ({ name, columns: { id: 'bigint' }, key: ['id'] });

export const staged = (
  view: string,
  generation: number,
  more: Partial<StagedGeneration> = {},
): StagedGeneration => ({
  view,
  generation,
  shape: shapeOf(view),
  store: 'a',
  fingerprint: 'f1',
  input: 'in',
  origin: { topic: 'in', key: { id: 'id' } },
  output: null,
  ...more,
});

let ids = 0;
export const event = (happening: Happening, at = 1_000): CatalogEvent => ({
  ...happening,
  id: String(ids++),
  at,
  by: 'test',
});

/** Staged together, as the next epoch. */
export const staging = (
  state: CatalogState,
  generations: readonly StagedGeneration[],
  reason: 'first' | 'rebuild' = 'rebuild',
): Happening => ({ type: 'staged', epoch: state.lastEpoch + 1, reason, generations });

export const promoting = (moves: readonly [string, number | null, number][]): Happening => ({
  ...promoted(moves),
  type: 'promoting',
  kind: 'promote',
});

export const promoted = (
  moves: readonly [string, number | null, number][],
  kind: 'first' | 'promote' | 'rollback' = 'promote',
): Happening & { type: 'promoted' } => ({
  type: 'promoted',
  kind,
  moves: moves.map(([view, from, to]) => ({ view, from, to })),
  gate: [],
  forced: false,
});

/** The state after happenings, each made from the state before it; fails when one is refused. */
export function after(...happenings: readonly (Happening | ((state: CatalogState) => Happening))[]) {
  return happenings.reduce((state: CatalogState, next) => {
    const made = event(typeof next === 'function' ? next(state) : next);
    const refused = refusal(state, made);
    if (refused !== null) throw new Error(refused);
    return fold(state, made);
  }, emptyCatalog);
}
