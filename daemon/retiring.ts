import { InsideoutError, isInsideoutError } from '../core/errors.ts';
import type { GenerationId } from '../core/view.ts';
import {
  activeOf,
  type CatalogState,
  entryOf,
  exists,
  type GenerationEntry,
  generationsOf,
  openPromotions,
} from '../materializer/generations/catalog-state.ts';
import { inFeedingOrder } from '../materializer/generations/feeding-order.ts';
import { withFed } from '../materializer/generations/with-fed.ts';
import type { Management } from './management.ts';

/** What an operator wants to be rid of: of one view all that can be, or one generation. */
export interface RetireWish {
  readonly view: string;
  readonly generation: GenerationId | null;
}

/** What is in grace, of one view or of all, with what that feeds; or the one that is named. Errors: `USAGE`. */
export function unseen(management: Management, wish: RetireWish | null): GenerationEntry[] {
  const { state } = management.catalog;
  if (wish === null || wish.generation === null)
    return withFed(
      state,
      state.generations.filter(
        (g) => (g.state === 'grace' || g.state === 'retiring') && (wish === null || g.view === wish.view),
      ),
    );
  const entry = named(state, wish);
  if (entry.state === 'active') throw seen(management, entry);
  if (entry.state === 'building') return epochOf(state, entry);
  return withFed(state, [entry]);
}

/**
 * All generations of a view that the config does not have any more, or the one that is named, also what readers see.
 * Errors: `USAGE`.
 */
export function removed(management: Management, wish: RetireWish): GenerationEntry[] {
  const { state } = management.catalog;
  const own = ofWish(state, wish);
  if (has(management, wish.view)) throw seen(management, activeOf(state, wish.view) ?? own[0]!);
  const all = own.flatMap((entry) => (entry.state === 'building' ? epochOf(state, entry) : [entry]));
  return inFeedingOrder(withFed(state, all));
}

/**
 * Generations of a view that are gone with their stores: these do not answer, are not in the config any more, or are
 * empty. Gives up the promotions that only such stores could tell the end of. Errors: `USAGE`.
 */
export async function lost(management: Management, wish: RetireWish): Promise<GenerationEntry[]> {
  const { catalog, config } = management;
  const own = ofWish(catalog.state, wish).filter(exists);
  if (own.length === 0)
    throw new InsideoutError(
      'USAGE',
      `Generation ${wish.generation} of "${wish.view}" is abandoned already.`,
      {
        hint: 'See `insideout history`.',
      },
    );
  const gone: GenerationEntry[] = [];
  for (const entry of own) if (await isGone(entry, management)) gone.push(entry);
  const there = own.find((entry) => !gone.includes(entry));
  if (there && (gone.length === 0 || wish.generation !== null))
    throw new InsideoutError(
      'USAGE',
      `The store "${there.store}" is not gone: it has generation ${there.generation} of "${there.view}".`,
      { hint: `Without --store-gone \`insideout retire ${there.view}\` removes it from there.` },
    );
  const wanted = gone.find(
    ({ state, view, store }) =>
      (state === 'active' || state === 'building') &&
      config.views.some((v) => v.shape.name === view && v.store === store),
  );
  if (wanted)
    throw new InsideoutError(
      'USAGE',
      `The config has the view "${wanted.view}" in the store "${wanted.store}", where a daemon builds it again.`,
      { hint: 'Take the view out of the config, or give it another `store`, and restart the daemons first.' },
    );
  for (const { moves } of openPromotions(catalog.state)) {
    const entries = moves.map(({ view, to }) => entryOf(catalog.state, view, to)!);
    const all = await Promise.all(entries.map((entry) => isGone(entry, management)));
    if (!all.includes(false)) await catalog.record({ type: 'notPromoted', moves });
  }
  return gone;
}

/** What readers saw was there; what is being removed may have gone that way. */
async function isGone(entry: GenerationEntry, { config, stores }: Management): Promise<boolean> {
  if (!(entry.store in config.stores)) return true;
  try {
    const listed = await (await stores.get(entry.store)).generations(entry.view);
    return entry.promotedAt !== null && entry.state !== 'retiring' && !listed.includes(entry.generation);
  } catch (error) {
    if (isInsideoutError(error, 'STORE_UNREACHABLE')) return true;
    throw error;
  }
}

/** What is built together is given up together. */
const epochOf = (state: CatalogState, { epoch }: GenerationEntry): GenerationEntry[] =>
  state.generations.filter((g) => g.epoch === epoch && g.state === 'building');

/** True when the view is in the config. */
export const has = ({ config }: Management, view: string): boolean =>
  config.views.some((v) => v.shape.name === view);

function ofWish(state: CatalogState, wish: RetireWish): GenerationEntry[] {
  if (wish.generation !== null) return [named(state, wish)];
  const own = generationsOf(state, wish.view);
  if (own.length > 0) return own;
  throw new InsideoutError('USAGE', `There is no generation of "${wish.view}".`, {
    hint: 'See `insideout generations`.',
  });
}

function named(state: CatalogState, { view, generation }: RetireWish): GenerationEntry {
  const entry = entryOf(state, view, generation!);
  if (entry && entry.state !== 'retired') return entry;
  throw new InsideoutError('USAGE', `There is no generation ${generation} of "${view}".`, {
    hint: 'See `insideout generations`.',
  });
}

const seen = (management: Management, { view, generation }: GenerationEntry): InsideoutError =>
  has(management, view)
    ? new InsideoutError('USAGE', `The config has the view "${view}", which a daemon builds again.`, {
        hint: `Take it out of the config and restart the daemons first, or run \`insideout rebuild ${view} --promote\`.`,
      })
    : new InsideoutError('USAGE', `Readers see generation ${generation} of "${view}".`, {
        hint: `\`insideout retire ${view} --force\` takes it from them.`,
      });
