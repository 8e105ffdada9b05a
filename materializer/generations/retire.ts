import { setTimeout as wait } from 'node:timers/promises';
import { InsideoutError } from '../../core/errors.ts';
import type { GenerationId } from '../../core/view.ts';
import type { Log } from '../../log/log.ts';
import { deadLetterTopic } from '../apply/dead-letters.ts';
import type { Catalog } from './catalog.ts';
import { activeOf, type CatalogState, entryOf, type GenerationEntry } from './catalog-state.ts';
import type { StoreOf } from './progress.ts';

export interface RetireOptions {
  readonly catalog: Catalog;
  readonly log: Log;
  readonly store: StoreOf;
  readonly signal: AbortSignal;
}

/** A reader believes a pointer for a moment after it moved, and finishes what it reads. */
const readersLeaveMs = 1_000;

/**
 * Removes generations that readers do not see: first it is written down, so that nobody writes to them any more,
 * then their rows are removed without blocking the store, then their view topics. Interrupted, it is gone on with
 * by the next call. Errors: `CATALOG_CONFLICT` for one that is active, or that feeds one which stays.
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
  const { catalog, log, store, signal } = options;
  const { view, generation, output } = entry;
  if (entryOf(catalog.state, view, generation)?.state !== 'retiring')
    await catalog.record({ type: 'retiring', view, generation });
  const left = readersLeaveMs - (Date.now() - (entry.replacedAt ?? 0));
  if (left > 0) await wait(left, undefined, { signal });
  const opened = await store(entry.store);
  // A view that went to another store is still shown where it was before.
  const shown = activeOf(catalog.state, view);
  if (shown && shown.store !== entry.store) await opened.withdraw(view, generation);
  await opened.drop(view, generation);
  if (output) await log.deleteTopics([output, deadLetterTopic(output)]);
  await catalog.record({ type: 'retired', view, generation });
}

/** Generations that are fed by this one and still exist. */
const readersOf = (state: CatalogState, entry: GenerationEntry): GenerationEntry[] =>
  state.generations.filter((g) => entry.output !== null && g.input === entry.output && g.state !== 'retired');

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

/** A generation in a store, or a view topic in the Log, that the catalog knows nothing of, or knows as retired. */
export interface Orphan {
  readonly kind: 'generation' | 'topic';
  readonly store: string | null;
  readonly view: string;
  readonly generation: GenerationId;
  readonly topic: string | null;
}

/** Looks for what a crash, or another Log, left behind. The generation that readers see is never among them. */
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
    return entry !== null && entry.state !== 'retired';
  };
  const orphans: Orphan[] = [];
  for (const { view, store: name } of places) {
    const opened = await store(name);
    const active = await opened.active(view);
    for (const generation of await opened.generations(view))
      if (generation !== active && !lives(view, generation))
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

/** Removes an orphan. */
export async function removeOrphan(orphan: Orphan, log: Log, store: StoreOf): Promise<void> {
  if (orphan.topic !== null) await log.deleteTopics([orphan.topic]);
  else await (await store(orphan.store!)).drop(orphan.view, orphan.generation);
}
