import { type InsideoutError, toInsideoutError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { catalogTopic } from '../materializer/generations/catalog.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingLog } from './existing.ts';
import { checkFirstStart, missingFile, openLog, sourceTopic } from './wiring.ts';

export interface FirstStart {
  readonly sources: readonly string[];
  readonly views: readonly ViewDefinition[];
  readonly finishErasures?: boolean | undefined;
  readonly resnapshot?: boolean | undefined;
}

/**
 * Why a source would be refused, asked before anything is made: of a first start that is refused nothing stays behind,
 * in the Log, in stores and in files. Null when none would be, or when all is there. What may pass is left to the start.
 */
export async function refusedAtFirst(
  config: CheckedConfig,
  start: FirstStart,
): Promise<{ readonly source: string; readonly error: InsideoutError } | null> {
  for (const source of start.sources)
    try {
      await ask(config, source, start);
    } catch (cause) {
      const error = toInsideoutError(cause);
      if (error.retry !== 'backoff') return { source, error };
    }
  return null;
}

async function ask(config: CheckedConfig, source: string, start: FirstStart): Promise<void> {
  const log = missingLog(config) ? null : await openLog(config);
  try {
    if (await isFirst(config, source, { ...start, log }))
      await checkFirstStart(config, source, { log, resnapshot: start.resnapshot });
  } finally {
    await log?.close();
  }
}

/** Whether others would make something beside the source that is not there yet: what it makes itself it asks before. */
async function isFirst(
  config: CheckedConfig,
  source: string,
  { views, finishErasures, log }: FirstStart & { readonly log: Log | null },
): Promise<boolean> {
  if (!log || views.some(({ store }) => missingFile(config.stores[store]!) !== null)) return true;
  if (views.length === 0 && !finishErasures && !config.deletes) return false;
  const made = [sourceTopic(source), catalogTopic(config.namespace)];
  return (await log.partitions(made)).size < made.length;
}
