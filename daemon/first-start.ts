import { type InsideoutError, toInsideoutError } from '../core/errors.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingLog } from './existing.ts';
import { checkSource, missingFile, sourceGap } from './wiring.ts';

export interface FirstStart {
  readonly sources: readonly string[];
  readonly views: readonly ViewDefinition[];
  readonly resnapshot?: boolean | undefined;
}

/**
 * Why a source would be refused, asked before any file is made: of a first start that is refused nothing stays behind,
 * neither Log nor stores. Null when none would be, or the files are there. What may pass is left to the start.
 */
export async function refusedAtFirst(
  config: CheckedConfig,
  { sources, views, resnapshot }: FirstStart,
): Promise<{ readonly source: string; readonly error: InsideoutError } | null> {
  const noLog = missingLog(config) !== null;
  if (!noLog && !views.some(({ store }) => missingFile(config.stores[store]!) !== null)) return null;
  for (const source of sources)
    try {
      await checkSource(config, source);
      const gap = noLog && !resnapshot ? await sourceGap(config, source, null) : null;
      if (gap) return { source, error: gap };
    } catch (cause) {
      const error = toInsideoutError(cause);
      if (error.retry !== 'backoff') return { source, error };
    }
  return null;
}
