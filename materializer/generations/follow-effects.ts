import { fingerprint, type ViewDefinition } from '../view-definition.ts';
import type { Catalog } from './catalog.ts';
import { activeOf, type GenerationEntry } from './catalog-state.ts';

/**
 * Runs `run` for the generation that readers see, as long as this process's definition made it, and for the next
 * one when readers are moved. Returns when the signal aborts; throws what `run` throws.
 */
export async function followEffects(options: {
  view: ViewDefinition;
  catalog: Catalog;
  signal: AbortSignal;
  run(entry: GenerationEntry, signal: AbortSignal): Promise<void>;
}): Promise<void> {
  const { view, catalog } = options;
  const mine = fingerprint(view);
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const now: { run: Run | null; failure: { error: unknown } | null } = { run: null, failure: null };
  const stop = async () => {
    now.run?.stop.abort();
    await now.run?.done;
    now.run = null;
  };
  try {
    for await (const state of catalog.changes(signal)) {
      const active = activeOf(state, view.shape.name);
      const wanted = active?.fingerprint === mine ? active : null;
      if (now.run?.generation === wanted?.generation) continue;
      await stop();
      if (!wanted) continue;
      const own = new AbortController();
      const done = options.run(wanted, AbortSignal.any([signal, own.signal])).catch((error: unknown) => {
        now.failure ??= { error };
        failed.abort();
      });
      now.run = { generation: wanted.generation, stop: own, done };
    }
  } finally {
    await stop();
  }
  if (now.failure) throw now.failure.error;
}

interface Run {
  readonly generation: number;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}
