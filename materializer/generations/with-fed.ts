import type { CatalogState, GenerationEntry } from './catalog-state.ts';

/** These generations in grace and all in grace that they feed, over however many others; each behind its feed. */
export function withFed(state: CatalogState, entries: readonly GenerationEntry[]): GenerationEntry[] {
  const all = [...entries];
  for (const at of all)
    all.push(
      ...state.generations.filter(
        (g) => g.state === 'grace' && at.output !== null && g.input === at.output && !all.includes(g),
      ),
    );
  return all;
}
