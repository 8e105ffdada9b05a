import { counted } from '../core/counted.ts';
import type { Log } from '../log/log.ts';
import { deadLetterTopic } from '../materializer/apply/dead-letters.ts';
import type { Catalog } from '../materializer/generations/catalog.ts';
import { entryOf, type GenerationEntry } from '../materializer/generations/catalog-state.ts';
import type { StoreOf } from '../materializer/generations/progress.ts';
import { abandonedOf, concerned } from './applied.ts';
import type { KeyHasher } from './key-hash.ts';
import { searchFiles } from './look-files.ts';
import { lookAtTopic } from './look-log.ts';
import { generationName, lookAtGeneration, lost, missing, orphaned, wasThere } from './look-views.ts';
import { type Place, type PlaceState, placeId } from './place.ts';
import type { TopicToLookAt } from './record-traces.ts';
import type { Target } from './target.ts';
import { uncompacted } from './topic-places.ts';
import { Tracer } from './tracer.ts';
import { type Look, placeOf, tombstonesRemain } from './verdict.ts';

export interface LookParts {
  readonly log: Log;
  /** Whether the Log's files are on this machine. */
  readonly logFiles: readonly string[] | null;
  readonly catalog: Catalog;
  readonly store: StoreOf;
  /** Views of the config with their stores: generations that the catalog does not know are looked for there. */
  readonly places: readonly { view: string; store: string }[];
  readonly hasher: KeyHasher;
  /** The file of subject keys: with it records that nothing removes may be unreadable. Null where there is none. */
  readonly shred: string | null;
  readonly signal: AbortSignal;
  /** What is known meanwhile, by erasure; what is still to be read is pending. */
  readonly onPlaces?: (places: ReadonlyMap<string, readonly Place[]>) => void;
}

/** Topics of the Log that may hold rows of these topics: they themselves, view topics, and the dead letters of all. */
export async function topicsToLookAt(
  origins: readonly string[],
  parts: Pick<LookParts, 'log' | 'catalog'>,
): Promise<TopicToLookAt[]> {
  const existing = new Set(await parts.log.topics());
  const found: TopicToLookAt[] = [];
  const add = (
    kind: 'topic' | 'view topic',
    topic: string,
    of: Pick<TopicToLookAt, 'origin' | 'key' | 'whole'>,
  ) => {
    if (existing.has(topic)) found.push({ kind, topic, ...of });
    const letters = deadLetterTopic(topic);
    if (existing.has(letters)) found.push({ kind: 'dead letters', topic: letters, ...of });
  };
  for (const origin of origins) add('topic', origin, { origin, key: {}, whole: true });
  for (const entry of concerned(parts.catalog, new Set(origins)))
    if (entry.output)
      add('view topic', entry.output, {
        origin: entry.origin.topic,
        key: entry.origin.key,
        whole: false,
      });
  return found;
}

/**
 * Reads back every place of Log and stores that may hold rows of the erasures, each once for all of them. What is
 * said of a place was found by reading it, or it says why it cannot be read.
 */
export async function lookEverywhere(
  targets: readonly Target[],
  parts: LookParts,
): Promise<ReadonlyMap<string, Place[]>> {
  const { log, hasher, signal } = parts;
  const tracer = new Tracer(hasher, targets);
  const places = new Map<string, Place[]>(targets.map((t) => [t.erasure, []]));
  const excused = new Set<string>();
  const topics = await topicsToLookAt(tracer.topics, parts);
  const compacted = await log.tombstoneRetention(topics.map((t) => t.topic));
  const keys = new Map<string, readonly string[]>();
  const put = (look: Look) => {
    if (look.kind === 'topic' && look.key) keys.set(look.origin, look.key);
    const stays = look.kind === 'topic' && !compacted.has(look.name);
    for (const { erasure } of targets) {
      const place = placeOf(look, erasure, tracer, keys.get(look.origin));
      places.get(erasure)!.push(stays ? uncompacted(place, parts.shred !== null) : place);
    }
    for (const value of look.names) excused.add(value);
    tell();
  };
  const abandoned = abandonedOf(parts.catalog, new Set(tracer.topics));
  const generations = await generationsToLookAt(new Set(tracer.topics), parts);
  const stores = new Set(generations.map(({ entry }) => entry.store));
  const waiting = [
    ...topics.map(({ kind, topic }) => pending(kind, topic)),
    ...generations.map(({ entry: e }) =>
      pending('generation', generationName(e.store, e.view, e.generation)),
    ),
    ...[...stores].map((store) => pending('store files', store)),
    pending('log files', 'log'),
  ];
  const tell = () => {
    const left = (list: readonly Place[]) => {
      const known = new Set(list.map(placeId));
      return waiting.filter((place) => !known.has(placeId(place)));
    };
    parts.onPlaces?.(new Map([...places].map(([erasure, list]) => [erasure, [...list, ...left(list)]])));
  };
  tell();
  const say = (name: string, reason: string) => {
    for (const list of places.values())
      list.push(statement('generation', name, { state: 'unverifiable', reason }));
  };
  const origins = new Map<string, Look>();
  for (const topic of topics) {
    const look = await lookAtTopic(log, topic, { tracer, signal, origin: origins.get(topic.origin) });
    if (topic.kind === 'topic') origins.set(topic.topic, look);
    put(look);
  }
  for (const { entry, known } of generations) {
    const name = generationName(entry.store, entry.view, entry.generation);
    const store = await parts.store(entry.store);
    if (!known) {
      say(name, orphaned);
      continue;
    }
    const generation = await store.find(entry.shape, entry.generation);
    if (generation) put(await lookAtGeneration(generation, entry, { tracer, signal }));
    else if ((await store.generations(entry.view)).includes(entry.generation))
      for (const list of places.values()) list.push(pending('generation', name));
    else if (wasThere(entry, await parts.catalog.refresh())) say(name, missing);
  }
  for (const entry of abandoned) say(generationName(entry.store, entry.view, entry.generation), lost(entry));
  for (const name of stores) {
    await lookAtStoreFiles(name, targets, { ...parts, lists: places, excused: new Set() });
    tell();
  }
  await lookAtLogFiles(targets, { ...parts, lists: places, excused });
  return places;
}

/** Generations of the catalog, and those in the stores of which the catalog says that they are gone or knows nothing. */
async function generationsToLookAt(
  origins: ReadonlySet<string>,
  parts: LookParts,
): Promise<{ entry: GenerationEntry; known: boolean }[]> {
  const { catalog, store, places } = parts;
  const found = concerned(catalog, origins).map((entry) => ({ entry, known: true }));
  const views = new Set(
    catalog.state.generations.filter((g) => origins.has(g.origin.topic)).map((g) => g.view),
  );
  for (const { view, store: name } of places) {
    if (!views.has(view)) continue;
    for (const generation of await (await store(name)).generations(view)) {
      const entry = entryOf(catalog.state, view, generation);
      if (entry && entry.state !== 'retired') continue;
      found.push({ entry: { view, generation, store: name } as GenerationEntry, known: false });
    }
  }
  return found;
}

interface Files extends Omit<LookParts, 'places'> {
  readonly lists: ReadonlyMap<string, Place[]>;
  /** Values that may be in the files because tombstones are keyed by them. */
  readonly excused: ReadonlySet<string>;
}

async function lookAtStoreFiles(name: string, targets: readonly Target[], parts: Files): Promise<void> {
  const store = await parts.store(name);
  const remaining = await store.scrub();
  const files = store.files();
  await putFiles({ kind: 'store files', name, files, remaining }, targets, parts);
}

async function lookAtLogFiles(targets: readonly Target[], parts: Files): Promise<void> {
  const remaining =
    parts.logFiles === null
      ? 'Kafka removes replaced segments after file.delete.delay.ms; disks of brokers and replicas cannot be read from here.'
      : null;
  await putFiles({ kind: 'log files', name: 'log', files: parts.logFiles ?? [], remaining }, targets, parts);
}

/** Files are searched for the values that were the subject's alone, as long as those are known. */
async function putFiles(
  of: { kind: 'store files' | 'log files'; name: string; files: readonly string[]; remaining: string | null },
  targets: readonly Target[],
  { lists, excused, signal }: Files,
): Promise<void> {
  const { kind, name, files, remaining } = of;
  const found = await searchFiles(files, [...new Set(targets.flatMap((t) => t.telling))], signal);
  for (const { erasure, telling } of targets) {
    const there = telling.filter((value) => found.has(value));
    const traces = there.filter((value) => !excused.has(value)).length;
    const named = there.length - traces;
    const place = statement(kind, name, verdict({ traces, named, telling, files, remaining }));
    lists.get(erasure)!.push(there.length > 0 ? { ...place, valueSeenAt: place.at } : place);
  }
}

function verdict(of: {
  traces: number;
  named: number;
  telling: readonly string[];
  files: readonly string[];
  remaining: string | null;
}): { state: PlaceState; reason: string } {
  if (of.traces > 0)
    return { state: 'applied', reason: `Searched byte by byte: ${counted(of.traces, 'value')} still there.` };
  if (of.named > 0) return { state: 'unverifiable', reason: `Of the Log, ${tombstonesRemain}` };
  if (of.remaining !== null) return { state: 'unverifiable', reason: of.remaining };
  if (of.files.length === 0)
    return { state: 'verified', reason: 'The store has rewritten or freed what held it.' };
  return of.telling.length === 0
    ? {
        state: 'unverifiable',
        reason: 'Deleted bytes are overwritten, but no value is known any more to search the files for.',
      }
    : {
        state: 'verified',
        reason: `Searched byte by byte for ${counted(of.telling.length, 'value')}: not there.`,
      };
}

const pending = (kind: Place['kind'], name: string): Place =>
  statement(kind, name, { state: 'pending', reason: 'Not read back yet.' });

export const statement = (
  kind: Place['kind'],
  name: string,
  found: { state: PlaceState; reason: string },
): Place => ({ kind, name, ...found, at: Date.now(), read: null });
