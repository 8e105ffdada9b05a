import type { Generation } from '../connectors/sink/view-store.ts';
import type { Row } from '../core/value.ts';
import {
  type CatalogState,
  entryOf,
  type GenerationEntry,
} from '../materializer/generations/catalog-state.ts';
import { count } from './look-log.ts';
import type { Tracer } from './tracer.ts';
import { add, type Look, none } from './verdict.ts';

export const generationName = (store: string, view: string, generation: number): string =>
  `${store}/${view} g${generation}`;

/** Why nothing can be said of a generation's rows. */
export const orphaned = 'An orphan that nobody follows: remove it with `insideout retire --orphans`.';
export const missing =
  'It was in this store and is not any more, though nobody retired it: destroy any copy of it.';
export const lost = ({ abandoned }: Pick<GenerationEntry, 'abandoned'>): string =>
  `Not read: ${abandoned!.by} said at ${new Date(abandoned!.at).toISOString()} that its store is gone for good. Destroy any copy of that store.`;

/** True when a generation was in its store once: readers saw it, and who removes it writes that down first. */
export function wasThere({ view, generation }: GenerationEntry, state: CatalogState): boolean {
  const now = entryOf(state, view, generation)!;
  return now.promotedAt !== null && now.state !== 'retiring' && now.state !== 'retired';
}

/**
 * Reads every row of a generation. A trace is a row under a key that came from an erased row, or one with a value
 * that was the subject's alone, or that was overwritten in it.
 */
export async function lookAtGeneration(
  generation: Generation,
  entry: Pick<GenerationEntry, 'store' | 'origin'>,
  parts: { tracer: Tracer; signal: AbortSignal },
): Promise<Look> {
  const { tracer, signal } = parts;
  const { view, id } = generation;
  const traces = new Map<string, number>();
  const valued = new Set<string>();
  const former = new Map<string, number>();
  const elsewhere = new Map<string, number>();
  let read = 0;
  for await (const row of generation.scan()) {
    if ((read++ & 1023) === 0) signal.throwIfAborted();
    const key: Record<string, Row[string]> = {};
    for (const name of view.key) key[entry.origin.key[name] ?? name] = row[name] ?? null;
    const found = tracer.ofRow(entry.origin.topic, key, row);
    count(found, traces, valued);
    add(found.former, former);
    add(found.elsewhere, elsewhere);
  }
  return {
    kind: 'generation',
    name: generationName(entry.store, view.name, id),
    origin: entry.origin.topic,
    read,
    traces,
    doubts: { former, elsewhere, orphans: none, unknown: none, unclaimed: none, truncated: none },
    valued,
    named: new Map(),
    names: new Set(),
    key: view.key.map((name) => entry.origin.key[name] ?? name),
    unreadable: 0,
  };
}
