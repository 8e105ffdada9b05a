import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { fingerprint } from '../materializer/view-definition.ts';
import { Health } from './health.ts';
import type { Logger } from './logger.ts';
import type { Management } from './management.ts';
import { Metrics } from './metrics.ts';
import { SharedCatalog } from './shared-catalog.ts';
import { supervise } from './supervisor.ts';
import { viewUnit } from './view-unit.ts';

/**
 * Builds the staged generations in this process, as one more member of their groups, while `ready` waits for them
 * and does what is to be done then; returns what it returned. Daemons with the same config build along. Throws
 * what an operator must mend, and what `ready` throws.
 */
export async function buildHere<T>(options: {
  management: Management;
  entries: readonly GenerationEntry[];
  logger: Logger;
  signal: AbortSignal;
  ready(signal: AbortSignal): Promise<T>;
}): Promise<T> {
  const { management, entries, logger } = options;
  const { config } = management;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const catalog = new SharedCatalog(config);
  const health = new Health();
  const metrics = new Metrics(health);
  let failure: { error: unknown } | null = null;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop.abort();
  };
  const mine = (entry: GenerationEntry) =>
    entries.some((e) => e.view === entry.view && e.generation === entry.generation);
  const units = config.views
    .filter((view) => entries.some((e) => e.view === view.shape.name && e.fingerprint === fingerprint(view)))
    .map((view) =>
      viewUnit(view, {
        config,
        catalog,
        metrics,
        health,
        logger,
        only: mine,
        failed: (_entry, error) => fail(error),
      }),
    );
  const building = supervise(units, {
    signal,
    events: {
      started: () => {},
      restarting: (unit, error, delayMs) =>
        logger.warn({ view: unit.name, code: error.code, delayMs }, error.message),
      stopped: (_unit, error) => fail(error),
    },
  });
  try {
    return await options.ready(signal);
  } catch (error) {
    throw failure ? (failure as { error: unknown }).error : error;
  } finally {
    stop.abort();
    await building;
    await catalog.close();
  }
}
