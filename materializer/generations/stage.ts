import { InsideoutError } from '../../core/errors.ts';
import type { GenerationId } from '../../core/view.ts';
import { upstreamOf } from '../dependencies.ts';
import { fingerprint, type ViewDefinition } from '../view-definition.ts';
import { activeOf, type CatalogState, nextGeneration } from './catalog-state.ts';
import type { StagedGeneration } from './events.ts';
import { viewTopicName } from './names.ts';

export interface StageOptions {
  /** What to stage, every view behind the one that feeds it. */
  readonly views: readonly ViewDefinition[];
  readonly state: CatalogState;
  readonly namespace: string;
  /** The largest generation of the view that its store holds, known to the catalog or not; 0 for none. */
  readonly taken: (view: string) => GenerationId;
}

/**
 * New generations of views, each fed by the new generation of its upstream view where that is staged as well, and
 * by the active one otherwise. Errors: `VIEW_CHANGED` when the upstream view has no view topic to read.
 */
export function stage(options: StageOptions): StagedGeneration[] {
  const { state, namespace } = options;
  const staged: StagedGeneration[] = [];
  for (const view of options.views) {
    const { name } = view.shape;
    const feeding = feedingOf(view, staged, state);
    const generation = Math.max(nextGeneration(state, name), options.taken(name) + 1);
    staged.push({
      view: name,
      generation,
      shape: view.shape,
      store: view.store,
      fingerprint: fingerprint(view),
      input: feeding?.output ?? (view.from as string),
      origin: originOf(view, feeding),
      output: view.published ? viewTopicName(namespace, name, generation) : null,
    });
  }
  return staged;
}

/** The generation that feeds a view; null when a topic does. Always one that is written to the Log. */
function feedingOf(
  view: ViewDefinition,
  staged: readonly StagedGeneration[],
  state: CatalogState,
): StagedGeneration | null {
  if (typeof view.from === 'string') return null;
  const upstream = view.from.view;
  const feeding = staged.find((s) => s.view === upstream) ?? activeOf(state, upstream);
  if (feeding?.output) return feeding;
  throw new InsideoutError(
    'VIEW_CHANGED',
    `The view "${view.shape.name}" reads "${upstream}", which ${feeding ? 'is not written to the Log yet' : 'has not been built yet'}.`,
    { hint: `Run \`insideout rebuild ${upstream}\`: it builds both.` },
  );
}

function originOf(view: ViewDefinition, feeding: StagedGeneration | null): StagedGeneration['origin'] {
  if (!feeding) return { topic: view.from as string, key: view.keyFrom };
  const { topic, key } = feeding.origin;
  return {
    topic,
    key: Object.fromEntries(Object.entries(view.keyFrom).map(([name, from]) => [name, key[from] ?? from])),
  };
}

/**
 * True when what feeds the generation is a source, what readers see, or among those that it is promoted with. It
 * stops being so when readers are moved from what feeds it while it is built.
 */
export function readsWhatIsSeen(
  entry: StagedGeneration,
  together: readonly StagedGeneration[],
  state: CatalogState,
): boolean {
  const feeding = state.generations.find((g) => g.output === entry.input);
  return !feeding || feeding.state === 'active' || together.some((other) => other.output === entry.input);
}

/** True when the view that feeds this one has a generation to read, or a topic feeds it. */
export function canBeFed(view: ViewDefinition, state: CatalogState): boolean {
  const upstream = upstreamOf(view.from);
  return upstream === null || activeOf(state, upstream)?.output != null;
}
