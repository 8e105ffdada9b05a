import { EventLog } from '../../log/event-log.ts';
import type { Log } from '../../log/log.ts';
import { type CatalogState, emptyCatalog, fold, refusal } from './catalog-state.ts';
import type { CatalogEvent } from './events.ts';

export const catalogTopic = (namespace: string): string => `__${namespace}.views`;

/**
 * What generations there are and what became of them. Which one readers see is the store's pointer; here is why,
 * since when, and who writes to which.
 */
export type Catalog = EventLog<CatalogEvent, CatalogState>;

/** Reads everything there is, and goes on reading. Close it. Errors: those of the Log. */
export const openCatalog = (log: Log, namespace: string): Promise<Catalog> =>
  EventLog.open<CatalogEvent, CatalogState>(log, catalogTopic(namespace), {
    empty: emptyCatalog,
    fold,
    refusal,
    mend: 'Look at `insideout generations` and `insideout plan`, and try again if it is still wanted.',
  });
