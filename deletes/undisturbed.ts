import type { Catalog } from '../materializer/generations/catalog.ts';
import type { CatalogState } from '../materializer/generations/catalog-state.ts';

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
      if (removals(await catalog.refresh()) === before) throw error;
    }
  }
}

/** How many steps of removals there were. */
const removals = ({ history }: CatalogState): number =>
  history.filter(({ type }) => type === 'retiring' || type === 'retired').length;
