import { setTimeout as wait } from 'node:timers/promises';
import { InsideoutError, isInsideoutError } from '../../core/errors.ts';
import type { GenerationId } from '../../core/view.ts';
import type { Log } from '../../log/log.ts';
import { deadLetterTopic } from '../apply/dead-letters.ts';
import type { Catalog } from './catalog.ts';
import { activeOf, type CatalogState, entryOf, exists, type GenerationEntry } from './catalog-state.ts';
import type { Happening } from './events.ts';
import type { StoreOf } from './progress.ts';

export interface RetireOptions {
  readonly catalog: Catalog;
  readonly log: Log;
  readonly store: StoreOf;
  readonly signal: AbortSignal;
  /** Their stores are gone for good, as an operator says: nothing is removed there, and they are `abandoned`. */
  readonly storeGone?: boolean;
}

/** A reader believes a pointer for a moment after it moved, and finishes what it reads. */
const readersLeaveMs = 1_000;

/**
 * Removes generations: first it is written down, so that nobody writes to them any more, then readers lose what they
 * see of them, then their rows are removed without blocking the store, then their view topics. Interrupted, it is
 * gone on with by the next call; several may do it at once, as a command and the janitor of a daemon. Errors:
 * `CATALOG_CONFLICT` for one that feeds another which stays.
 */
export async function retire(entries: readonly GenerationEntry[], options: RetireOptions): Promise<void> {
  const { catalog } = options;
  const going = new Set(entries.map((e) => `${e.view}/${e.generation}`));
  for (const entry of entries) {
    const reader = readersOf(catalog.state, entry).find((r) => !going.has(`${r.view}/${r.generation}`));
    if (reader)
      throw new InsideoutError(
        'CATALOG_CONFLICT',
        `Not done: generation ${reader.generation} of "${reader.view}" reads generation ${entry.generation} of "${entry.view}".`,
        { hint: `Retire or rebuild "${reader.view}" first.` },
      );
  }
  // Those that read others go first, so that nobody reads a topic that is gone.
  for (const entry of [...entries].reverse()) await retireOne(entry, options);
}

async function retireOne(entry: GenerationEntry, options: RetireOptions): Promise<void> {
  const { catalog, log, storeGone = false } = options;
  const { view, generation, output } = entry;
  // Nothing is begun where the store does not answer.
  if (!storeGone) await (await options.store(entry.store)).active(view);
  const forced = entry.state === 'active' ? { forced: true } : {};
  await writeDown({ type: 'retiring', view, generation, ...forced }, catalog);
  if (!storeGone) await removeRows(entry, options);
  if (output) await log.deleteTopics([output, deadLetterTopic(output)]);
  await writeDown({ type: storeGone ? 'abandoned' : 'retired', view, generation }, catalog);
}

async function removeRows(
  { view, generation, store: name, replacedAt }: GenerationEntry,
  { catalog, store, signal }: RetireOptions,
): Promise<void> {
  const opened = await store(name);
  let leftAt = replacedAt ?? 0;
  // A view that went to another store is still shown where it was before, and so is one that nobody replaced.
  if (activeOf(catalog.state, view)?.store !== name && (await opened.active(view)) === generation) {
    await opened.withdraw(view, generation);
    leftAt = Date.now();
  }
  const left = readersLeaveMs - (Date.now() - leftAt);
  if (left > 0) await wait(left, undefined, { signal });
  await opened.drop(view, generation);
}

type Step = Extract<Happening, { readonly type: 'retiring' | 'retired' | 'abandoned' }>;

/** Another process that removes the same generation may have been faster: then it is written down already. */
async function writeDown(step: Step, catalog: Catalog): Promise<void> {
  try {
    await catalog.record(step);
  } catch (error) {
    const state = entryOf(catalog.state, step.view, step.generation)?.state;
    if (!isInsideoutError(error, 'CATALOG_CONFLICT') || (state !== step.type && state !== 'retired'))
      throw error;
  }
}

/** Generations that are fed by this one and still exist. */
const readersOf = (state: CatalogState, entry: GenerationEntry): GenerationEntry[] =>
  state.generations.filter((g) => entry.output !== null && g.input === entry.output && exists(g));

/**
 * Generations whose time of grace is over, or whose removal was interrupted; without those that feed one which
 * stays: they are due when it is.
 */
export function due(state: CatalogState, graceMs: number, now = Date.now()): GenerationEntry[] {
  let found = state.generations.filter(
    (g) =>
      g.state === 'retiring' ||
      (g.state === 'grace' && g.replacedAt !== null && now - g.replacedAt >= graceMs),
  );
  for (;;) {
    const free = found.filter((g) => readersOf(state, g).every((reader) => found.includes(reader)));
    if (free.length === found.length) return free;
    found = free;
  }
}

/** Abandoned generations whose stores are there after all, and still have them. */
export async function cameBack(state: CatalogState, store: StoreOf): Promise<GenerationEntry[]> {
  const found: GenerationEntry[] = [];
  for (const entry of state.generations.filter((g) => g.state === 'abandoned')) {
    const listed = async () => (await store(entry.store)).generations(entry.view);
    // A store that does not answer is gone, as it was said.
    if ((await listed().catch((): number[] => [])).includes(entry.generation)) found.push(entry);
  }
  return found;
}

/**
 * A generation in a store, or a view topic in the Log, that the catalog knows nothing of, or knows as retired or
 * abandoned.
 */
export interface Orphan {
  readonly kind: 'generation' | 'topic';
  readonly store: string | null;
  readonly view: string;
  readonly generation: GenerationId;
  readonly topic: string | null;
}

/**
 * Looks for what a crash, or another Log, left behind. What readers see is among them only where it was abandoned
 * with its store, which came back.
 */
export async function findOrphans(options: {
  state: CatalogState;
  log: Log;
  namespace: string;
  /** View and store of the config, and of the catalog. */
  places: readonly { view: string; store: string }[];
  store: StoreOf;
}): Promise<Orphan[]> {
  const { state, log, namespace, places, store } = options;
  const lives = (view: string, id: GenerationId) => {
    const entry = entryOf(state, view, id);
    return entry !== null && exists(entry);
  };
  const orphans: Orphan[] = [];
  for (const { view, store: name } of places) {
    const opened = await store(name);
    const active = await opened.active(view);
    for (const generation of await opened.generations(view))
      if (!lives(view, generation) && (generation !== active || abandonedIn(state, name, view, generation)))
        orphans.push({ kind: 'generation', store: name, view, generation, topic: null });
  }
  const pattern = new RegExp(`^${namespace}\\.view\\.([a-z_][a-z0-9_]*)\\.g(\\d+)(\\.dlq)?$`);
  for (const topic of await log.topics()) {
    const [, view, id] = pattern.exec(topic) ?? [];
    if (view && id && !lives(view, Number(id)))
      orphans.push({ kind: 'topic', store: null, view, generation: Number(id), topic });
  }
  return orphans;
}

/** Removes an orphan; of one that was abandoned it is written down that nothing is left. */
export async function removeOrphan(orphan: Orphan, options: RetireOptions): Promise<void> {
  const { view, generation, store, topic } = orphan;
  if (topic !== null) return options.log.deleteTopics([topic]);
  const abandoned = abandonedIn(options.catalog.state, store!, view, generation);
  if (abandoned) await retire([abandoned], options);
  else await (await options.store(store!)).drop(view, generation);
}

function abandonedIn(
  state: CatalogState,
  store: string,
  view: string,
  generation: GenerationId,
): GenerationEntry | null {
  const entry = entryOf(state, view, generation);
  return entry?.state === 'abandoned' && entry.store === store ? entry : null;
}
