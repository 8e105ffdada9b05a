import { type InsideoutError, toInsideoutError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { catalogTopic } from '../materializer/generations/catalog.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingLog } from './existing.ts';
import { checkFirstStart, missingFile, openLog, openStore, sourceTopic } from './wiring.ts';

export interface FirstStart {
  readonly sources: readonly string[];
  readonly views: readonly ViewDefinition[];
  readonly finishErasures?: boolean | undefined;
  readonly resnapshot?: boolean | undefined;
}

/** A source or a view that cannot run until an operator has mended something. */
export interface Refused {
  readonly kind: 'source' | 'view';
  readonly name: string;
  readonly error: InsideoutError;
}

/**
 * Who would be refused, asked before anything is made: of a first start that is refused nothing stays behind, in the
 * Log, in stores and in files. Empty when the process has something to do, or when all is there. What may pass is left
 * to the start.
 */
export async function refusedAtFirst(config: CheckedConfig, start: FirstStart): Promise<readonly Refused[]> {
  for (const name of start.sources) {
    const error = await refusalOf(() => ask(config, name, start));
    if (error) return [{ kind: 'source', name, error }];
  }
  const more = start.sources.length > 0 || start.finishErasures || config.deletes;
  return more ? [] : refusedViews(config, start.views);
}

/** All of them, where no store takes any; one that is refused beside others does not hold them up. */
async function refusedViews(
  config: CheckedConfig,
  views: readonly ViewDefinition[],
): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  if (await hasCatalog(config)) return refused;
  for (const { shape, store } of views) {
    const error = await refusalOf(() => askStore(config, store));
    if (!error) return [];
    refused.push({ kind: 'view', name: shape.name, error });
  }
  return refused;
}

async function hasCatalog(config: CheckedConfig): Promise<boolean> {
  if (missingLog(config)) return false;
  const log = await openLog(config);
  try {
    return (await log.partitions([catalogTopic(config.namespace)])).size > 0;
  } catch {
    // A Log that does not answer is told, and waited for, by the start itself.
    return true;
  } finally {
    await log.close();
  }
}

async function refusalOf(question: () => Promise<void>): Promise<InsideoutError | null> {
  try {
    await question();
    return null;
  } catch (cause) {
    const error = toInsideoutError(cause);
    return error.retry === 'backoff' ? null : error;
  }
}

async function askStore(config: CheckedConfig, name: string): Promise<void> {
  // Opening would make it.
  if (missingFile(config.stores[name]!) !== null) return;
  const store = await openStore(config, name);
  try {
    await store.check();
  } finally {
    await store.close();
  }
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
