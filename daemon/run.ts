import type { InsideoutError } from '../core/errors.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { refusedAtFirst } from './first-start.ts';
import { Health } from './health.ts';
import type { Logger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { SharedCatalog } from './shared-catalog.ts';
import { sourceUnit } from './source-unit.ts';
import { type SupervisorEvents, supervise, type Unit } from './supervisor.ts';
import { openDeletes, openFinisher, viewUnits } from './units.ts';
import type { SourceHooks } from './wiring.ts';

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
  for (const { kind, name, error } of refused) logger.error(told(kind, name, error, logger), error.message);
  if (refused.length > 0) return refused.map(({ error }) => error);
  const health = new Health();
  const metrics = new Metrics(health);
  const catalog = new SharedCatalog(config);
  const parts = { config, catalog, metrics, health, logger };
  const deletes = await openDeletes(config, logger);
  const units = [
    ...options.sources.map((name) => sourceUnit(name, options, metrics)),
    ...(await viewUnits(options.views, parts)),
    ...(deletes ? [deletes.unit] : []),
  ];
  const finisher = options.finishErasures || deletes ? await openFinisher(parts) : null;
  for (const unit of finisher ? [...units, finisher] : units) health.add(unit.kind, unit.name);
  const http =
    config.http === false
      ? null
      : await (await import('./http.ts')).serveHttp(config.http, { health, metrics, deletes });
  if (http) logger.info({ address: http.url }, 'probes and metrics are served');
  const done = new AbortController();
  const janitor =
    options.views.length > 0
      ? (await import('./janitor.ts')).runJanitor({
          config,
          catalog,
          logger,
          signal: AbortSignal.any([signal, done.signal]),
        })
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
