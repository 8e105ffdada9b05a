import type { GenerationId } from '../../core/view.ts';
import type { CatalogEvent, Move, StagedGeneration } from './events.ts';

/**
 * What a generation is for: `building` until readers see it, `active` while they do, `grace` when another was
 * promoted and it follows on so that a rollback loses nothing, `retiring` while it is removed, `abandoned` when its
 * store was lost with it.
 */
export type GenerationState = 'building' | 'active' | 'grace' | 'retiring' | 'retired' | 'abandoned';

export interface GenerationEntry extends StagedGeneration {
  readonly epoch: number;
  readonly reason: 'first' | 'rebuild';
  readonly state: GenerationState;
  readonly stagedAt: number;
  /** When readers last began to see it. */
  readonly promotedAt: number | null;
  /** When another one took its place. */
  readonly replacedAt: number | null;
  /** Who said when that its store is gone; null for all others. */
  readonly abandoned: { readonly at: number; readonly by: string } | null;
}

/** The generations of all views, folded from the events in their order. A value: it is never changed. */
export interface CatalogState {
  readonly generations: readonly GenerationEntry[];
  /** Accepted events, oldest first. */
  readonly history: readonly CatalogEvent[];
  readonly lastEpoch: number;
}

export const emptyCatalog: CatalogState = { generations: [], history: [], lastEpoch: 0 };

/** False once it was removed, or lost with its store. */
export const exists = ({ state }: GenerationEntry): boolean => state !== 'retired' && state !== 'abandoned';

/** True when nobody is to write to it any more: it is being removed, or was. */
export const isGoing = (entry: GenerationEntry): boolean => entry.state === 'retiring' || !exists(entry);

/** The generations of a view that still exist. */
export const generationsOf = (state: CatalogState, view: string): GenerationEntry[] =>
  state.generations.filter((g) => g.view === view && exists(g));

export const activeOf = (state: CatalogState, view: string): GenerationEntry | null =>
  state.generations.find((g) => g.view === view && g.state === 'active') ?? null;

export const buildingOf = (state: CatalogState, view: string): GenerationEntry | null =>
  state.generations.find((g) => g.view === view && g.state === 'building') ?? null;

export const entryOf = (state: CatalogState, view: string, id: GenerationId): GenerationEntry | null =>
  state.generations.find((g) => g.view === view && g.generation === id) ?? null;

/** The number that the next generation of the view gets: none is ever used twice. */
export const nextGeneration = (state: CatalogState, view: string): GenerationId =>
  1 + Math.max(0, ...state.generations.filter((g) => g.view === view).map((g) => g.generation));

/**
 * The state after an event. An event that cannot follow what came before it, because another process was faster,
 * leaves the state as it is: every process folds the same events in the same order, so all agree on who won.
 */
export function fold(state: CatalogState, event: CatalogEvent): CatalogState {
  if (refusal(state, event) !== null) return state;
  const history = [...state.history, event];
  switch (event.type) {
    case 'staged': {
      const { epoch, reason } = event;
      const staged = event.generations.map(
        (g): GenerationEntry => ({
          ...g,
          epoch,
          reason,
          state: 'building',
          stagedAt: event.at,
          promotedAt: null,
          replacedAt: null,
          abandoned: null,
        }),
      );
      return { generations: [...state.generations, ...staged], history, lastEpoch: epoch };
    }
    case 'promoting':
    case 'notPromoted':
      return { ...state, history };
    case 'promoted':
      return {
        ...state,
        history,
        generations: state.generations.map((g) => moved(g, event.moves, event.at)),
      };
    case 'retiring':
    case 'retired':
    case 'abandoned': {
      const { view, generation, type, at, by } = event;
      const abandoned = type === 'abandoned' ? { at, by } : null;
      return {
        ...state,
        history,
        generations: state.generations.map((g) =>
          g.view === view && g.generation === generation ? { ...g, state: type, abandoned } : g,
        ),
      };
    }
  }
}

function moved(entry: GenerationEntry, moves: readonly Move[], at: number): GenerationEntry {
  const move = moves.find((m) => m.view === entry.view);
  if (!move) return entry;
  if (move.to === entry.generation) return { ...entry, state: 'active', promotedAt: at, replacedAt: null };
  return entry.state === 'active' ? { ...entry, state: 'grace', replacedAt: at } : entry;
}

/** Why an event cannot follow the state, as a sentence; null when it can. */
export function refusal(state: CatalogState, event: CatalogEvent): string | null {
  switch (event.type) {
    case 'staged':
      if (event.epoch !== state.lastEpoch + 1) return 'something else was staged meanwhile';
      for (const { view, generation } of event.generations) {
        if (buildingOf(state, view)) return `a generation of "${view}" is being built already`;
        if (event.reason === 'first' && generationsOf(state, view).length > 0)
          return `"${view}" has a generation already`;
        if (generation < nextGeneration(state, view)) return `generation ${generation} of "${view}" is taken`;
      }
      return null;
    case 'promoting':
    case 'promoted':
      for (const { view, to } of event.moves) {
        const entry = entryOf(state, view, to);
        if (!entry) return `"${view}" has no generation ${to}`;
        if (isGoing(entry)) return `generation ${to} of "${view}" is ${entry.state}`;
        if (event.type === 'promoted' && event.kind === 'first' && entry.state === 'active')
          return `generation ${to} of "${view}" is active already`;
      }
      return null;
    case 'notPromoted':
      return null;
    case 'retiring':
    case 'retired':
    case 'abandoned': {
      const entry = entryOf(state, event.view, event.generation);
      if (!entry) return `"${event.view}" has no generation ${event.generation}`;
      if (entry.state === 'active' && !(event.type === 'retiring' && event.forced))
        return `generation ${event.generation} of "${event.view}" is active`;
      // Its pointer may have moved already, and what readers see must go on being written.
      if (event.type === 'retiring' && isBeingPromoted(state, entry))
        return `generation ${event.generation} of "${event.view}" is being promoted`;
      if (entry.state === 'retired' || entry.state === event.type)
        return `generation ${event.generation} of "${event.view}" is ${entry.state} already`;
      return null;
    }
  }
}

/** A promotion that was begun and neither done nor given up: the process that did it may have crashed. */
export function openPromotions(state: CatalogState): Extract<CatalogEvent, { type: 'promoting' }>[] {
  const open = new Map<string, Extract<CatalogEvent, { type: 'promoting' }>>();
  for (const event of state.history) {
    if (event.type === 'promoting') open.set(movesText(event.moves), event);
    else if (event.type === 'promoted' || event.type === 'notPromoted') open.delete(movesText(event.moves));
  }
  return [...open.values()];
}

const isBeingPromoted = (state: CatalogState, { view, generation }: GenerationEntry): boolean =>
  openPromotions(state).some((p) => p.moves.some((m) => m.view === view && m.to === generation));

const movesText = (moves: readonly Move[]): string =>
  JSON.stringify(moves.map((m) => [m.view, m.from, m.to]).sort());
