import { pump } from '../connectors/source/pump.ts';
import type { InsideoutError } from '../core/errors.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { DeletesDesk } from './deletes-desk.ts';
import { deletesUnit } from './deletes-unit.ts';
import { effectsUnit } from './effects-unit.ts';
import { finisherUnit } from './finisher-unit.ts';
import { refusedAtFirst } from './first-start.ts';
import { Health } from './health.ts';
import { serveHttp } from './http.ts';
import { runJanitor } from './janitor.ts';
import type { Logger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { SharedCatalog } from './shared-catalog.ts';
import { type SupervisorEvents, supervise, type Unit } from './supervisor.ts';
import { viewUnit } from './view-unit.ts';
import { makeSource, openLog, type SourceHooks } from './wiring.ts';

export interface DaemonOptions {
  readonly config: CheckedConfig;
  readonly sources: readonly string[];
  readonly views: readonly ViewDefinition[];
  readonly hooks: SourceHooks;
  /** Whether it finishes erasures that nobody else does; one that serves deletes always does. */
  readonly finishErasures?: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Runs sources and views until the signal aborts, with the probes beside them. Returns the errors that an
 * operator must mend; none when it was stopped.
 */
export async function runDaemon(options: DaemonOptions): Promise<InsideoutError[]> {
  const { config, logger, signal } = options;
  const { resnapshot } = options.hooks;
  const refused = await refusedAtFirst(config, { ...options, resnapshot });
  if (refused) {
    logger.error(told('source', refused.source, refused.error, logger), refused.error.message);
    return [refused.error];
  }
  const health = new Health();
  const metrics = new Metrics(health);
  const catalog = new SharedCatalog(config);
  const tokens = config.deletes?.tokens;
  const deletes = tokens ? { desk: new DeletesDesk(config), tokens } : null;
  const units = [
    ...options.sources.map((name) => sourceUnit(name, options, metrics)),
    ...options.views.map((view) => viewUnit(view, { config, catalog, metrics, health, logger })),
    ...options.views
      .filter((view) => view.effects !== null)
      .map((view) => effectsUnit(view, { config, catalog, health })),
    ...(deletes ? [deletesUnit({ config, logger, ...deletes })] : []),
  ];
  const finisher =
    options.finishErasures || deletes ? finisherUnit({ config, catalog, metrics, health, logger }) : null;
  for (const unit of finisher ? [...units, finisher] : units) health.add(unit.kind, unit.name);
  const http = config.http === false ? null : await serveHttp(config.http, { health, metrics, deletes });
  if (http) logger.info({ address: http.url }, 'probes and metrics are served');
  const done = new AbortController();
  const janitor =
    options.views.length > 0
      ? runJanitor({ config, catalog, logger, signal: AbortSignal.any([signal, done.signal]) })
      : null;
  // Supervised by itself: when nothing else is left to run, the process ends.
  const finishing = supervise(finisher ? [finisher] : [], {
    signal: AbortSignal.any([signal, done.signal]),
    events: events(health, logger),
  });
  try {
    return await supervise(units, { signal, events: events(health, logger) });
  } finally {
    done.abort();
    await janitor;
    await finishing;
    await catalog.close();
    await http?.close();
    await deletes?.desk.close();
    logger.info('stopped');
  }
}

/** Each unit opens its own connections, so that one which hangs or breaks takes no other with it. */
function sourceUnit(name: string, options: DaemonOptions, metrics: Metrics): Unit {
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
          observe: metrics.source(name),
        });
      } finally {
        await log.close();
      }
    },
  };
}

function events(health: Health, logger: Logger): SupervisorEvents {
  return {
    started: (unit) => {
      health.state(unit, 'running');
      logger.info({ [unit.kind]: unit.name }, 'started');
    },
    restarting: (unit, error, delayMs) => {
      health.state(unit, 'waiting', error.message);
      logger.warn({ [unit.kind]: unit.name, code: error.code, delayMs }, error.message);
    },
    stopped: (unit, error) => {
      health.state(unit, 'stopped', error.message);
      logger.error(told(unit.kind, unit.name, error, logger), error.message);
    },
  };
}

const told = (kind: Unit['kind'], name: string, error: InsideoutError, logger: Logger) => ({
  [kind]: name,
  code: error.code,
  mend: error.hint,
  ...stack(error, logger),
});

const stack = (error: InsideoutError, logger: Logger) =>
  logger.isLevelEnabled('debug') ? { stack: error.stack, cause: error.cause } : {};
