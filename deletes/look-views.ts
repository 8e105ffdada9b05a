import type { Generation } from '../connectors/sink/view-store.ts';
import type { Row } from '../core/value.ts';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { count, type Look } from './look-log.ts';
import type { Tracer } from './target.ts';

export const generationName = (store: string, view: string, generation: number): string =>
  `${store}/${view} g${generation}`;

/**
 * Reads every row of a generation. A trace is a row under a key that came from an erased row, or one with a value
 * that was the subject's alone.
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
  let read = 0;
  for await (const row of generation.scan()) {
    if ((read++ & 1023) === 0) signal.throwIfAborted();
    const key: Record<string, Row[string]> = {};
    for (const name of view.key) key[entry.origin.key[name] ?? name] = row[name] ?? null;
    const found = { byKey: tracer.ofKey(entry.origin.topic, key), byValue: tracer.ofValues(row) };
    count(found, traces, valued);
  }
  return {
    kind: 'generation',
    name: generationName(entry.store, view.name, id),
    origin: entry.origin.topic,
    read,
    traces,
    valued,
    named: new Map(),
    names: new Set(),
    unreadable: 0,
  };
}
