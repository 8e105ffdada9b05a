import type { ViewStore } from '../connectors/sink/view-store.ts';
import { toInsideoutError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import type { Checkpoint } from '../core/position.ts';
import type { GenerationId } from '../core/view.ts';
import type { Log } from '../log/log.ts';
import { rootTopic } from '../materializer/dependencies.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingLog } from './existing.ts';
import { missingFile, openLog, openStore, sourceSlot } from './wiring.ts';

export interface SourceStatus {
  readonly name: string;
  readonly slot: string;
  readonly exists: boolean;
  readonly active: boolean;
  readonly confirmedLsn: string | null;
  readonly retainedBytes: number | null;
  readonly walStatus: string | null;
  readonly error: string | null;
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
  /** Of all views of the topic; null when the Log cannot tell. */
  readonly deadLetters: number | null;
  readonly error: string | null;
}

export interface Status {
  readonly sources: SourceStatus[];
  readonly topics: TopicStatus[];
  readonly views: ViewStatus[];
  /** Why the Log cannot tell; null also when its file is missing because nothing was captured yet. */
  readonly logError: string | null;
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
    return { sources, topics: [], views, logError: lost ? missing.message : null };
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
    const ends = new Map([...offsets].map(([key, o]) => [key, o.end]));
    const views = await readViews({ ends, topics });
    return { sources, topics, views, logError: null };
  } catch (error) {
    // Without the Log nobody knows how far behind the views are, but they are there.
    const views = await readViews(null);
    return { sources, topics: [], views, logError: toInsideoutError(error).message };
  } finally {
    await log?.close();
  }
}

/** A cluster holds the topics of others, too. */
function concerns(config: CheckedConfig, topic: string): boolean {
  if (topic.slice(0, topic.indexOf('.')) in config.sources) return true;
  return config.views.some((view) => topic === view.from || topic === `${view.from}.dlq`);
}

async function readSource(config: CheckedConfig, name: string): Promise<SourceStatus> {
  const slot = config.sources[name]!.slot;
  try {
    const { confirmedLsn, restartLsn: _restart, ...rest } = await sourceSlot(config, name);
    return {
      name,
      slot,
      ...rest,
      confirmedLsn: confirmedLsn === null ? null : formatLsn(confirmedLsn),
      error: null,
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
      error: toInsideoutError(error).message,
    };
  }
}

/** What the Log told. */
interface Known {
  readonly ends: ReadonlyMap<string, number>;
  readonly topics: readonly TopicStatus[];
}

async function readView(
  config: CheckedConfig,
  view: ViewDefinition,
  known: Known | null,
): Promise<ViewStatus> {
  // What a view writes for another to read has a topic per generation, of which nothing is known here.
  const input = typeof view.from === 'string' && known ? { topic: view.from, known } : null;
  const base = {
    name: view.shape.name,
    store: view.store,
    topic: rootTopic(config.views, view),
    deadLetters: input && (input.known.topics.find((t) => t.name === `${input.topic}.dlq`)?.records ?? 0),
  };
  let store: ViewStore | null = null;
  const stored = config.stores[view.store];
  if (stored && missingFile(stored) !== null) return { ...base, generation: null, lag: null, error: null };
  try {
    store = await openStore(config, view.store);
    const generation = await store.active(view.shape.name);
    if (generation === null) return { ...base, generation, lag: null, error: null };
    const checkpoint = await (await store.open(view.shape, generation)).checkpoint();
    const lag = input && lagOf(input.topic, checkpoint, input.known);
    return { ...base, generation, lag, error: null };
  } catch (error) {
    return { ...base, generation: null, lag: null, error: toInsideoutError(error).message };
  } finally {
    await store?.close();
  }
}

/** Null when the Log does not have the topic: a view of it is up to date with nothing. */
function lagOf(topic: string, checkpoint: Checkpoint, known: Known): number | null {
  if (!known.topics.some((t) => t.name === topic)) return null;
  let lag = 0;
  for (const [key, end] of known.ends)
    if (key.slice(0, key.lastIndexOf('/')) === topic) lag += Math.max(0, end - (checkpoint.get(key) ?? 0));
  return lag;
}
