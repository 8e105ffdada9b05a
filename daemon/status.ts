import type { ViewStore } from '../connectors/sink/view-store.ts';
import type { StoppedTable } from '../connectors/source/source.ts';
import { type ErrorCode, type InsideoutError, toInsideoutError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import { type Checkpoint, parsePartitionKey } from '../core/position.ts';
import type { GenerationId } from '../core/view.ts';
import type { Log } from '../log/log.ts';
import { rootTopic } from '../materializer/dependencies.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import { concerns } from './concerns.ts';
import type { CheckedConfig } from './config/check.ts';
import { DeadLetterCounts } from './dead-letter-counts.ts';
import { type ErasuresStatus, readErasuresStatus } from './erasures-status.ts';
import { missingLog } from './existing.ts';
import {
  checkSource,
  missingFile,
  openLog,
  openStore,
  sourceGap,
  sourceSlot,
  stoppedTables,
} from './wiring.ts';

export interface SourceStatus {
  readonly name: string;
  readonly slot: string;
  readonly exists: boolean;
  readonly active: boolean;
  readonly confirmedLsn: string | null;
  readonly retainedBytes: number | null;
  readonly walStatus: string | null;
  readonly error: string | null;
  /** Code and mend of the error; null without one. */
  readonly code: ErrorCode | null;
  readonly mend: string | null;
  /** Tables of which nothing is captured until an operator acts; empty also when the Log cannot tell. */
  readonly stoppedTables: readonly StoppedTable[];
}

export interface TopicStatus {
  readonly name: string;
  readonly partitions: number;
  /** Offsets still held; in a compacted topic some of them are empty. */
  readonly records: number;
  /** End offset of each partition. */
  readonly ends: number[];
}

export interface ViewStatus {
  readonly name: string;
  readonly store: string;
  readonly topic: string;
  readonly generation: GenerationId | null;
  /** Records of the topic that are not applied yet; null when it cannot be told. */
  readonly lag: number | null;
  /** Of this view; null when it cannot be told, or there are too many in its topic to count them by view. */
  readonly deadLetters: number | null;
  /** At most so many dead letters of all views of the topic, where they are too many to count them by view. */
  readonly deadLettersOfTopic: number | null;
  readonly error: string | null;
}

export interface Status {
  readonly sources: SourceStatus[];
  readonly topics: TopicStatus[];
  readonly views: ViewStatus[];
  /** Why the Log cannot tell; null also when its file is missing because nothing was captured yet. */
  readonly logError: string | null;
  /** Null where there is no journal of them, or the Log cannot tell. */
  readonly erasures: ErasuresStatus | null;
}

interface Known {
  readonly log: Log;
  readonly letters: DeadLetterCounts;
}

/** How things are, asked of Postgres, the Log and the stores themselves: daemons need not run. */
export async function readStatus(config: CheckedConfig): Promise<Status> {
  const sources = await Promise.all(Object.keys(config.sources).map((name) => readSource(config, name)));
  const readViews = (known: Known | null) =>
    Promise.all(config.views.map((view) => readView(config, view, known)));
  const missing = missingLog(config);
  if (missing) {
    const views = await readViews(null);
    // Before the first start that is as it should be; a view that was built has been built from something.
    const lost = views.some((view) => view.generation !== null);
    const checked = await Promise.all(sources.map((source) => withLog(config, source, null)));
    return { sources: checked, topics: [], views, logError: lost ? missing.message : null, erasures: null };
  }
  let log: Log | null = null;
  try {
    log = await openLog(config);
    const names = (await log.topics()).filter((name) => concerns(config, name));
    const offsets = await log.offsets(names);
    const topics = names.map((name) => {
      const ends: number[] = [];
      let records = 0;
      for (const [key, { first, end }] of offsets) {
        const slash = key.lastIndexOf('/');
        if (key.slice(0, slash) !== name) continue;
        ends[Number(key.slice(slash + 1))] = end;
        records += end - first;
      }
      return { name, partitions: ends.length, records, ends };
    });
    const views = await readViews({ log, letters: new DeadLetterCounts(log) });
    const opened = log;
    const checked = await Promise.all(sources.map((source) => withLog(config, source, opened)));
    const erasures = await readErasuresStatus(log, config.namespace);
    return { sources: checked, topics, views, logError: null, erasures };
  } catch (error) {
    // Without the Log nobody knows how far behind the views are, but they are there.
    const views = await readViews(null);
    return { sources, topics: [], views, logError: toInsideoutError(error).message, erasures: null };
  } finally {
    await log?.close();
  }
}

async function readSource(config: CheckedConfig, name: string): Promise<SourceStatus> {
  const slot = config.sources[name]!.slot;
  try {
    const { confirmedLsn, restartLsn: _restart, ...rest } = await sourceSlot(config, name);
    // Without a slot it has not started yet, or was refused when it did.
    if (!rest.exists) await checkSource(config, name);
    return {
      name,
      slot,
      ...rest,
      confirmedLsn: confirmedLsn === null ? null : formatLsn(confirmedLsn),
      ...told(null),
      stoppedTables: [],
    };
  } catch (error) {
    return {
      name,
      slot,
      exists: false,
      active: false,
      confirmedLsn: null,
      retainedBytes: null,
      walStatus: null,
      ...told(toInsideoutError(error)),
      stoppedTables: [],
    };
  }
}

const told = (error: InsideoutError | null): Pick<SourceStatus, 'error' | 'code' | 'mend'> => ({
  error: error?.message ?? null,
  code: error?.code ?? null,
  mend: error?.hint ?? null,
});

/** What the Log knows of the source as well; null where there is none yet. */
async function withLog(config: CheckedConfig, source: SourceStatus, log: Log | null): Promise<SourceStatus> {
  const [gap, stopped] = await Promise.all([
    source.error !== null ? null : sourceGap(config, source.name, log).catch(toInsideoutError),
    log ? stoppedTables(source.name, log) : [],
  ]);
  return { ...source, ...(gap && told(gap)), stoppedTables: stopped };
}

async function readView(
  config: CheckedConfig,
  view: ViewDefinition,
  known: Known | null,
): Promise<ViewStatus> {
  const { name } = view.shape;
  const topic = rootTopic(config.views, view);
  const read = typeof view.from === 'string' ? [view.from] : null;
  const base = { name, store: view.store, topic, ...(await lettersOf(name, read, known)) };
  let store: ViewStore | null = null;
  const stored = config.stores[view.store];
  if (stored && missingFile(stored) !== null) return { ...base, generation: null, lag: null, error: null };
  try {
    store = await openStore(config, view.store);
    const generation = await store.active(view.shape.name);
    const found = generation === null ? null : await store.find(view.shape, generation);
    if (!found) return { ...base, generation: null, lag: null, error: null };
    const checkpoint = await found.checkpoint();
    const topics = inputsOf(view, checkpoint);
    const lag = known && (await lagOf(topics, checkpoint, known.log));
    return { ...base, generation, lag, ...(await lettersOf(name, topics, known)), error: null };
  } catch (error) {
    return { ...base, generation: null, lag: null, error: toInsideoutError(error).message };
  } finally {
    await store?.close();
  }
}

/** A view that is fed by another reads the topic of one of its generations, which only the checkpoint names. */
const inputsOf = (view: ViewDefinition, checkpoint: Checkpoint): string[] =>
  typeof view.from === 'string'
    ? [view.from]
    : [...new Set([...checkpoint.keys()].map((key) => parsePartitionKey(key).topic))];

const lettersOf = async (view: string, topics: readonly string[] | null, known: Known | null) =>
  topics && known ? await known.letters.of(view, topics) : { deadLetters: null, deadLettersOfTopic: null };

/** Null when the Log does not have what the view reads: a view of nothing is not up to date. */
async function lagOf(topics: readonly string[], checkpoint: Checkpoint, log: Log): Promise<number | null> {
  const held = await log.partitions(topics);
  if (topics.length === 0 || topics.some((topic) => !held.has(topic))) return null;
  let lag = 0;
  for (const [key, { end }] of await log.offsets(topics))
    lag += Math.max(0, end - (checkpoint.get(key) ?? 0));
  return lag;
}
