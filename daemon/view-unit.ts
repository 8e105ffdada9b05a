import type { ViewStore } from '../connectors/sink/view-store.ts';
import { ErasedKeys } from '../materializer/apply/erased.ts';
import type { ViewObserver } from '../materializer/apply/observer.ts';
import { runGeneration } from '../materializer/apply/run-generation.ts';
import { Throttle } from '../materializer/apply/throttle.ts';
import { entryOf, type GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { type FollowOptions, followView } from '../materializer/generations/follow.ts';
import { groupName } from '../materializer/generations/names.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { SharedCatalog } from './shared-catalog.ts';
import { supervise, type Unit } from './supervisor.ts';
import { logTroubles } from './view-log.ts';
import { openLog, openStore } from './wiring.ts';

export interface ViewUnitParts {
  readonly config: CheckedConfig;
  readonly catalog: SharedCatalog;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Which generations to write to; default: all that the config's definition makes. */
  readonly only?: FollowOptions['only'];
  /** Told of a generation that readers do not see and that cannot go on; default: it is logged. */
  readonly failed?: FollowOptions['failed'];
}

/** A view as a supervised unit: each of its generations runs beside the others, with connections of its own. */
export function viewUnit(view: ViewDefinition, parts: ViewUnitParts): Unit {
  const { config, metrics, health, logger } = parts;
  const { name } = view.shape;
  return {
    kind: 'view',
    name,
    run: async (signal) => {
      health.changed(name, 'readers see no generation of it yet');
      const { catalog, erased } = await parts.catalog.get();
      let store: ViewStore | null = null;
      try {
        store = await openStore(config, view.store);
        await followView({
          view,
          store,
          catalog,
          namespace: config.namespace,
          signal,
          ...(parts.only ? { only: parts.only } : {}),
          changed: (reason) => {
            health.changed(name, reason?.message ?? null);
            if (reason) logger.warn({ view: name, code: reason.code, mend: reason.hint }, reason.message);
          },
          failed:
            parts.failed ??
            ((entry, error) =>
              logger.error(
                { view: name, generation: entry.generation, code: error.code, mend: error.hint },
                error.message,
              )),
          run: (entry, open, stop) => {
            const stateOf = () => entryOf(catalog.state, name, entry.generation)?.state;
            const background = () => stateOf() === 'building' && entry.reason === 'rebuild';
            const { generation } = entry;
            const observe = metrics.view(name, generation, () => stateOf() === 'active');
            const run = generationUnit(view, entry, {
              config,
              open,
              erased: new ErasedKeys(erased, entry.origin, entry.shape),
              background,
              throttle: new Throttle(() =>
                background() ? (config.rebuild.maxRecordsPerSecond ?? null) : null,
              ),
              observe: logTroubles(observe, { logger, view: name, generation }),
            });
            return superviseGeneration(run, {
              logger,
              observe,
              signal: stop,
              view: name,
              generation,
            });
          },
        });
      } finally {
        await store?.close();
      }
    },
  };
}

function generationUnit(
  view: ViewDefinition,
  entry: GenerationEntry,
  parts: Pick<Parameters<typeof runGeneration>[0], 'observe' | 'erased' | 'background'> & {
    config: CheckedConfig;
    open: Parameters<FollowOptions['run']>[1];
    throttle: Throttle;
  },
): Unit {
  const { config, open, ...rest } = parts;
  return {
    kind: 'view',
    name: `${entry.view} g${entry.generation}`,
    run: async (signal) => {
      const log = await openLog(config);
      try {
        await runGeneration({
          view,
          generation: await open(),
          input: entry.input,
          output: entry.output,
          group: groupName(config.namespace, entry.view, entry.generation),
          log,
          signal,
          ...rest,
        });
      } finally {
        await log.close();
      }
    },
  };
}

/** Restarts the generation until the signal aborts; throws what an operator must mend. */
async function superviseGeneration(
  unit: Unit,
  parts: { logger: Logger; observe: ViewObserver; signal: AbortSignal; view: string; generation: number },
): Promise<void> {
  const { logger, observe, signal, view, generation } = parts;
  const [error] = await supervise([unit], {
    signal,
    events: {
      started: () => logger.info({ view, generation }, 'following'),
      restarting: (_unit, problem, delayMs) => {
        observe.retrying(problem);
        logger.warn({ view, generation, code: problem.code, delayMs }, problem.message);
      },
      stopped: () => {},
    },
  });
  if (error) throw error;
}
