import type { GenerationId } from '../../core/view.ts';
import { closureOf } from '../dependencies.ts';
import { fingerprint, type ViewDefinition } from '../view-definition.ts';
import { activeOf, buildingOf, type CatalogState, exists, generationsOf } from './catalog-state.ts';

/**
 * How a view of the config stands to what runs: `changed` when its generation was made by another definition,
 * `new` when it has none, `removed` when only generations are left, `unknown` when the store shows readers a
 * generation that this Log knows nothing of.
 */
export type Standing = 'unchanged' | 'changed' | 'new' | 'removed' | 'unknown';

export interface PlannedView {
  readonly view: string;
  readonly standing: Standing;
  readonly active: GenerationId | null;
  readonly building: GenerationId | null;
  /** True when what is being built is made by the config's definition. */
  readonly buildingFits: boolean;
  /** Views that are rebuilt along with it. */
  readonly dependents: readonly string[];
  /** The changed view that it has to follow, when its own definition has not changed. */
  readonly follows: string | null;
}

/** Compares the config with the generations there are. `shown` is each store's pointer. */
export function planViews(
  views: readonly ViewDefinition[],
  state: CatalogState,
  shown: ReadonlyMap<string, GenerationId | null>,
): PlannedView[] {
  const planned = views.map((view): PlannedView => {
    const { name } = view.shape;
    const active = activeOf(state, name);
    const building = buildingOf(state, name);
    return {
      view: name,
      standing: standingOf(view, state, shown.get(name) ?? null),
      active: shown.get(name) ?? active?.generation ?? null,
      building: building?.generation ?? null,
      buildingFits: building?.fingerprint === fingerprint(view),
      dependents: closureOf(views, name)
        .map((v) => v.shape.name)
        .filter((dependent) => dependent !== name),
      follows: null,
    };
  });
  const changed = planned.filter((p) => p.standing === 'changed' || p.standing === 'unknown');
  const following = planned.map((p) => ({
    ...p,
    follows:
      p.standing === 'unchanged' ? (changed.find((c) => c.dependents.includes(p.view))?.view ?? null) : null,
  }));
  const known = new Set(views.map((v) => v.shape.name));
  const removed = [...new Set(state.generations.map((g) => g.view))]
    .filter((name) => !known.has(name) && generationsOf(state, name).length > 0)
    .map(
      (view): PlannedView => ({
        view,
        standing: 'removed',
        active: activeOf(state, view)?.generation ?? null,
        building: null,
        buildingFits: false,
        dependents: [],
        follows: null,
      }),
    );
  return [...following, ...removed];
}

function standingOf(view: ViewDefinition, state: CatalogState, shown: GenerationId | null): Standing {
  const { name } = view.shape;
  const active = activeOf(state, name);
  if (
    shown !== null &&
    !state.generations.some((g) => g.view === name && g.generation === shown && exists(g))
  )
    return 'unknown';
  if (!active) return 'new';
  return active.fingerprint === fingerprint(view) ? 'unchanged' : 'changed';
}
