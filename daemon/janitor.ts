import { setTimeout as wait } from 'node:timers/promises';
import { toInsideoutError } from '../core/errors.ts';
import { settlePromotions } from '../materializer/generations/promote.ts';
import { cameBack, due, retire } from '../materializer/generations/retire.ts';
import type { CheckedConfig } from './config/check.ts';
import type { Logger } from './logger.ts';
import { OpenStores } from './open-stores.ts';
import type { SharedCatalog } from './shared-catalog.ts';

const everyMs = 5_000;
/** Moving the pointers takes milliseconds: who has not said after this long that it is done has crashed. */
const crashedAfterMs = 60_000;

/**
 * Removes generations whose time of grace is over, and those that come back with a store that was said to be gone,
 * and goes on with removals that were interrupted, until the signal aborts. What fails is logged and tried again the
 * next time; several processes may do it at once.
 */
export async function runJanitor(parts: {
  config: CheckedConfig;
  catalog: SharedCatalog;
  logger: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { config, logger, signal } = parts;
  // It never makes the file of a store.
  const stores = new OpenStores(config, () => true);
  try {
    while (!signal.aborted) {
      await wait(everyMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const { catalog, log } = await parts.catalog.get();
        await settlePromotions(catalog, stores.get, crashedAfterMs);
        const entries = [
          ...due(catalog.state, config.rebuild.graceMs).filter((e) => e.store in config.stores),
          ...(await cameBack(catalog.state, stores.get)),
        ];
        if (entries.length === 0) continue;
        await retire(entries, { catalog, log, store: stores.get, signal });
        for (const { view, generation } of entries) logger.info({ view, generation }, 'retired');
      } catch (error) {
        const { code, message } = toInsideoutError(error);
        // Another process was faster.
        if (code === 'CATALOG_CONFLICT') continue;
        if (!signal.aborted) logger.warn({ code }, `a generation could not be retired: ${message}`);
      }
    }
  } finally {
    await stores.close();
  }
}
