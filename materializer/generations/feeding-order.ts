import type { GenerationEntry } from './catalog-state.ts';

/** Every generation behind the one that feeds it. */
export function inFeedingOrder(entries: readonly GenerationEntry[]): GenerationEntry[] {
  const depth = (entry: GenerationEntry): number => {
    const upstream = entries.find((e) => e.output !== null && e.output === entry.input);
    return upstream ? 1 + depth(upstream) : 0;
  };
  return [...entries].sort((a, b) => depth(a) - depth(b));
}
