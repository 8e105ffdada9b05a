import { InsideoutError } from '../core/errors.ts';
import { loadErasureKey } from '../deletes/erasure-key.ts';
import { ErasureGuard } from '../deletes/guard.ts';
import { openJournal } from '../deletes/journal.ts';
import type { Log } from '../log/log.ts';
import { ErasedKeys } from '../materializer/apply/erased.ts';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import type { StoreOf } from '../materializer/generations/progress.ts';
import type { CheckedConfig } from './config/check.ts';

/**
 * Refuses generations that nobody has kept up since something was erased: readers would see it again. One that a
 * topic of a source feeds is known by its checkpoint. Where that tells nothing, because another view feeds it or the
 * Log was begun anew, its rows are looked through. Errors: `VIEW_GATE`, `ERASURE_KEY`.
 */
export async function refuseErased(
  entries: readonly GenerationEntry[],
  parts: { readonly config: CheckedConfig; readonly log: Log; readonly stores: { readonly get: StoreOf } },
): Promise<void> {
  const { config, log, stores } = parts;
  const journal = await openJournal(log, config.namespace);
  try {
    const hasher = () => loadErasureKey(config.erasure.key, { create: false }).hasher;
    const guard = new ErasureGuard(() => journal.state, hasher);
    for (const entry of entries) {
      const store = await stores.get(entry.store);
      const generation = await store.find(entry.shape, entry.generation);
      if (!generation) continue;
      const erased = new ErasedKeys(guard, entry.origin, entry.shape);
      const checkpoint = await generation.checkpoint();
      if (!erased.mayBeBack(checkpoint, entry.input)) continue;
      const ends = entry.input === entry.origin.topic ? guard.ends(entry.input) : new Map<string, number>();
      const ranges = await log.offsets([entry.input]);
      const behind = [...ends].some(
        ([key, end]) => (checkpoint.get(key) ?? 0) < Math.min(end, ranges.get(key)?.end ?? 0),
      );
      if (!behind && !(await holdsErased(generation, erased))) continue;
      throw new InsideoutError(
        'VIEW_GATE',
        `Generation ${entry.generation} of "${entry.view}" has not applied what was erased, and is not shown even by force.`,
        {
          hint: `Run a daemon with its definition until it has caught up, or remove it: insideout retire ${entry.view} ${entry.generation}`,
        },
      );
    }
  } finally {
    await journal.close();
  }
}

type Opened = Awaited<ReturnType<Awaited<ReturnType<StoreOf>>['open']>>;

async function holdsErased(generation: Opened, erased: ErasedKeys): Promise<boolean> {
  for await (const row of generation.scan())
    if (erased.has(generation.view.key.map((name) => row[name] ?? null))) return true;
  return false;
}
