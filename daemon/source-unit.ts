import { pump } from '../connectors/source/pump.ts';
import type { InsideoutError } from '../core/errors.ts';
import type { Metrics } from './metrics.ts';
import type { DaemonOptions } from './run.ts';
import type { Unit } from './supervisor.ts';
import { makeSource, openLog, type SourceHooks } from './wiring.ts';

/** Each unit opens its own connections, so that one which hangs or breaks takes no other with it. */
export function sourceUnit(name: string, options: DaemonOptions, metrics: Metrics): Unit {
  const { config, logger } = options;
  const hooks: SourceHooks = {
    ...options.hooks,
    onWaiting: ({ message, mend }) => logger.warn({ source: name, mend }, message),
    onTableStopped: (table, error) => {
      logger.error(
        { source: name, table, code: (error as InsideoutError).code, mend: (error as InsideoutError).hint },
        error.message,
      );
      options.hooks.onTableStopped?.(table, error);
    },
    onStoppedTables: (tables) => metrics.stoppedTables(name, tables),
  };
  const observe = metrics.source(name);
  return {
    kind: 'source',
    name,
    run: async (signal) => {
      const log = await openLog(config);
      try {
        await pump({
          source: await makeSource(config, name, { log, hooks }),
          log,
          signal,
          observe,
        });
      } finally {
        await log.close();
      }
    },
  };
}
