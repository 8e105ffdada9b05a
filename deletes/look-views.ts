import type { Generation } from '../connectors/sink/view-store.ts';
import type { Row } from '../core/value.ts';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { count } from './look-log.ts';
import type { Tracer } from './tracer.ts';
import { add, type Look, none } from './verdict.ts';

export const generationName = (store: string, view: string, generation: number): string =>
  `${store}/${view} g${generation}`;

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
