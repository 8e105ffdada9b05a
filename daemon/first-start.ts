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
  const opened: { log: Promise<Log> | null } = { log: null };
  const log = async () => {
    if (missingLog(config)) return null;
    opened.log ??= openLog(config);
    return opened.log;
  };
  try {
    for (const name of start.sources) {
      const error = await refusalOf(() => askSource(config, name, { ...start, log }));
      if (error) return [{ kind: 'source', name, error }];
    }
    const more = start.sources.length > 0 || start.finishErasures || config.deletes;
    return more ? [] : await refusedViews(config, start.views, log);
  } finally {
    await (await opened.log?.catch(() => null))?.close();
  }
}

/** The Log, opened when it is first needed; null where there is none yet. */
type LogOnce = () => Promise<Log | null>;

/** All of them, where no store takes any; one that is refused beside others does not hold them up. */
async function refusedViews(
  config: CheckedConfig,
  views: readonly ViewDefinition[],
  log: LogOnce,
): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  if (await hasCatalog(config, log)) return refused;
  for (const { shape, store } of views) {
    const error = await refusalOf(() => askStore(config, store));
    if (!error) return [];
    refused.push({ kind: 'view', name: shape.name, error });
  }
  return refused;
}

async function hasCatalog(config: CheckedConfig, log: LogOnce): Promise<boolean> {
  try {
    const found = await (await log())?.partitions([catalogTopic(config.namespace)]);
    return found !== undefined && found.size > 0;
  } catch {
    // A Log that does not answer is told, and waited for, by the start itself.
    return true;
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

async function askSource(
  config: CheckedConfig,
  source: string,
  start: FirstStart & { readonly log: LogOnce },
): Promise<void> {
  const log = await start.log();
  if (await isFirst(config, source, { ...start, log }))
    await checkFirstStart(config, source, { log, resnapshot: start.resnapshot });
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
