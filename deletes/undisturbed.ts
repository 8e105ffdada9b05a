import { setTimeout as wait } from 'node:timers/promises';
import type { Catalog } from '../materializer/generations/catalog.ts';
import type { CatalogState } from '../materializer/generations/catalog-state.ts';

/** A topic is deleted some milliseconds before that is written down. */
const writtenDownMs = 1_000;

/**
 * Does what reads generations and their topics. Where one of them is removed meanwhile, that ends with the error of a
 * topic or a table that is not there any more: then it is done again, without it.
 */
export async function undisturbed<T>(catalog: Catalog, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const before = removals(await catalog.refresh());
    try {
      return await work();
    } catch (error) {
      const now = await catalog.refresh();
      if (removals(now) !== before) continue;
      if (!now.generations.some((g) => g.state === 'retiring')) throw error;
      await wait(writtenDownMs);
      if (removals(await catalog.refresh()) === before) throw error;
    }
  }
}

/** How many steps of removals there were. */
const removals = ({ history }: CatalogState): number =>
  history.filter(({ type }) => type === 'retiring' || type === 'retired' || type === 'abandoned').length;
