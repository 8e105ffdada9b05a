import { generationGone } from '../connectors/sink/store-errors.ts';
import type { ViewStore } from '../connectors/sink/view-store.ts';
import { EffectMarks } from '../materializer/apply/effect-marks.ts';
import { runEffects } from '../materializer/apply/effects.ts';
import { followEffects } from '../materializer/generations/follow-effects.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import type { Health } from './health.ts';
import type { SharedCatalog } from './shared-catalog.ts';
import type { Unit } from './supervisor.ts';
import { openLog, openStore } from './wiring.ts';

/** What a view tells the outside, as a unit of its own: the view does not wait for it. */
export function effectsUnit(
  view: ViewDefinition,
  parts: { config: CheckedConfig; catalog: SharedCatalog; health: Health },
): Unit {
  const { config, health } = parts;
  const unit = `${view.shape.name} effects`;
  return {
    kind: 'view',
    name: unit,
    run: async (signal) => {
      const { catalog } = await parts.catalog.get();
      const log = await openLog(config);
      let store: ViewStore | null = null;
      try {
        store = await openStore(config, view.store);
        const opened = store;
        await followEffects({
          view,
          catalog,
          signal,
          run: async (entry, stop) => {
            const generation = await opened.find(entry.shape, entry.generation);
            if (!generation) throw generationGone(entry.view, entry.generation);
            return runEffects({
              view,
              generation,
              input: entry.input,
              log,
              marks: new EffectMarks(log, config.namespace, view.shape.name),
              group: `${config.namespace}.${view.shape.name}.effects`,
              signal: stop,
              observe: {
                retrying: (error) => health.retrying(unit, error.message),
                recovered: () => health.retrying(unit, null),
              },
            });
          },
        });
      } finally {
        await store?.close();
        await log.close();
      }
    },
  };
}
