import type { Promotion, ViewStore } from '../../connectors/sink/view-store.ts';
import { InsideoutError, isInsideoutError } from '../../core/errors.ts';
import type { Catalog } from './catalog.ts';
import { type CatalogState, entryOf, type GenerationEntry, openPromotions } from './catalog-state.ts';
import type { GateFigures, Move } from './events.ts';
import type { StoreOf } from './progress.ts';

export interface PromoteOptions {
  readonly catalog: Catalog;
  readonly store: StoreOf;
  /** The generations that readers are to see from now on. */
  readonly entries: readonly GenerationEntry[];
  readonly kind: 'promote' | 'rollback';
  readonly gate: readonly GateFigures[];
  readonly forced: boolean;
}

/**
 * Moves the pointers: all views of one store in one step, one store after another; when a store refuses, the
 * others are moved back. It is written down before and after, so that a crash in between can be told from history.
 * `CATALOG_CONFLICT` when a pointer was moved by someone else meanwhile.
 */
export async function movePointers(options: PromoteOptions): Promise<Move[]> {
  const { catalog, store, entries, kind, gate, forced } = options;
  const moves: Move[] = [];
  for (const { view, generation, store: name } of entries)
    moves.push({ view, from: await (await store(name)).active(view), to: generation });
  await catalog.record({ type: 'promoting', kind, moves, gate, forced });
  if (!(await moveAll(entries, moves, store))) {
    await catalog.record({ type: 'notPromoted', moves });
    throw new InsideoutError(
      'CATALOG_CONFLICT',
      'Not done: readers were moved to another generation meanwhile.',
      {
        hint: 'Look at `insideout generations`, and try again if it is still wanted.',
      },
    );
  }
  try {
    await catalog.record({ type: 'promoted', kind, moves, gate, forced });
  } catch (error) {
    // It was settled by another process as not begun, and retired since: readers must not stay with it.
    if (isInsideoutError(error, 'CATALOG_CONFLICT')) await moveBack(entries, moves, store);
    throw error;
  }
  return moves;
}

async function moveAll(
  entries: readonly GenerationEntry[],
  moves: readonly Move[],
  store: StoreOf,
): Promise<boolean> {
  const perStore = new Map<string, Promotion[]>();
  entries.forEach((entry, i) => {
    const { from, to } = moves[i]!;
    perStore.set(entry.store, [...(perStore.get(entry.store) ?? []), { view: entry.shape, from, to }]);
  });
  const done: [string, Promotion[]][] = [];
  const back = async () => {
    for (const [name, promotions] of done.reverse()) await promoteBack(await store(name), promotions);
  };
  for (const [name, promotions] of perStore) {
    try {
      const opened = await store(name);
      if (await opened.promote(promotions)) {
        done.push([name, promotions]);
        continue;
      }
      // Another process took this promotion for one that a crash left open, and went on with it.
      const shown = await Promise.all(promotions.map((p) => opened.active(p.view.name)));
      if (promotions.every((p, i) => shown[i] === p.to)) continue;
    } catch (error) {
      await back();
      throw error;
    }
    await back();
    return false;
  }
  return true;
}

/** A pointer that was nowhere before stays: there is nothing else to show to readers. */
async function promoteBack(store: ViewStore, promotions: readonly Promotion[]): Promise<void> {
  const reversed = promotions.flatMap((p) => (p.from === null ? [] : [{ ...p, from: p.to, to: p.from }]));
  if (reversed.length > 0) await store.promote(reversed);
}

async function moveBack(
  entries: readonly GenerationEntry[],
  moves: readonly Move[],
  store: StoreOf,
): Promise<void> {
  for (const [i, entry] of entries.entries()) {
    const { from, to } = moves[i]!;
    await promoteBack(await store(entry.store), [{ view: entry.shape, from, to }]);
  }
}

/**
 * Settles promotions that a crash left open: where a pointer has moved, the rest is moved as well and the
 * promotion written down; where none has, or the rest is elsewhere by now, all are moved back and it is written
 * down that nothing happened. Those that were begun less than `olderThanMs` ago may be at work, and are left alone.
 */
export async function settlePromotions(
  catalog: Catalog,
  store: StoreOf,
  olderThanMs = 0,
): Promise<CatalogState> {
  for (const { kind, moves, gate, forced, at } of openPromotions(await catalog.refresh())) {
    if (Date.now() - at < olderThanMs) continue;
    const entries = moves.map((move) => entryOf(catalog.state, move.view, move.to)!);
    const active = await Promise.all(entries.map(async (e) => (await store(e.store)).active(e.view)));
    const behind = entries.flatMap((entry, i) => (active[i] === entry.generation ? [] : [i]));
    if (behind.length === entries.length) {
      await catalog.record({ type: 'notPromoted', moves });
      continue;
    }
    const only = <T>(list: readonly T[], these: boolean) =>
      list.filter((_, i) => behind.includes(i) === these);
    if (await moveAll(only(entries, true), only(moves, true), store)) {
      await catalog.record({ type: 'promoted', kind, moves, gate, forced });
      continue;
    }
    await moveBack(only(entries, false), only(moves, false), store);
    await catalog.record({ type: 'notPromoted', moves });
  }
  return catalog.state;
}

/** What the last promotion that concerned the view replaced and still exists, to go back to. */
export function replacedBy(state: CatalogState, view: string): GenerationEntry[] {
  const last = state.history.findLast(
    (event) => event.type === 'promoted' && event.moves.some((m) => m.view === view),
  );
  if (last?.type !== 'promoted') return [];
  return last.moves.flatMap(({ view: name, from }) => {
    const entry = from === null ? null : entryOf(state, name, from);
    return entry?.state === 'grace' ? [entry] : [];
  });
}
