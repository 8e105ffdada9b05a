import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import { InsideoutError, isInsideoutError, toInsideoutError } from '../../core/errors.ts';
import { fingerprint, type ViewDefinition } from '../view-definition.ts';
import type { Catalog } from './catalog.ts';
import { activeOf, entryOf, type GenerationEntry, generationsOf, isGoing } from './catalog-state.ts';
import { canBeFed, stage } from './stage.ts';

export interface FollowOptions {
  readonly view: ViewDefinition;
  readonly store: ViewStore;
  readonly catalog: Catalog;
  readonly namespace: string;
  readonly signal: AbortSignal;
  /** Which of its generations to write to. Default: all that this definition makes. */
  readonly only?: (entry: GenerationEntry) => boolean;
  /** Keeps one generation up to date until the signal aborts; restarts what may pass by itself. */
  run(entry: GenerationEntry, open: () => Promise<Generation>, signal: AbortSignal): Promise<void>;
  /** The generation that readers see was made by another definition, so it stands still here; null: no longer. */
  changed?(reason: InsideoutError | null): void;
  /** A generation cannot go on beside the one that readers see, which does. */
  failed?(entry: GenerationEntry, error: InsideoutError): void;
}

/**
 * Writes to every generation of a view that this process's definition makes: the one that readers see, the one
 * that is being built, those in grace; and follows the catalog as they come and go. A view without any gets its
 * first, which readers see from the start.
 *
 * Generations of other definitions are left to the processes that have those: old and new processes side by side
 * are a blue/green deployment. Returns when the signal aborts. Throws what ends the run of the active generation, or
 * of one that is being built while there is no active one.
 */
export async function followView(options: FollowOptions): Promise<void> {
  const follower = new Follower(options);
  try {
    for await (const state of options.catalog.changes(follower.signal)) {
      if (!options.only && generationsOf(state, options.view.shape.name).length === 0)
        await follower.stageFirst();
      follower.update();
    }
  } finally {
    await follower.stop();
  }
  follower.throwFailure();
}

class Follower {
  readonly #options: FollowOptions;
  readonly #fingerprint: string;
  readonly #stop = new AbortController();
  readonly #runs = new Map<number, { readonly stop: AbortController; readonly done: Promise<void> }>();
  /** Those that cannot go on; readers do not see them. */
  readonly #failed = new Set<number>();
  #failure: { error: unknown } | null = null;
  readonly signal: AbortSignal;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#fingerprint = fingerprint(options.view);
    this.signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  /** Stages the first generation, unless another process is faster or there is nothing yet that could feed it. */
  async stageFirst(): Promise<void> {
    const { view, store, catalog, namespace } = this.#options;
    const { name } = view.shape;
    for (;;) {
      // The pointer first: what the catalog is read to afterwards knows whoever moved it.
      const shown = await store.active(name);
      const taken = Math.max(0, ...(await store.generations(name)));
      const state = await catalog.refresh();
      // A pointer that the catalog knows nothing of comes from another Log: its offsets mean nothing here.
      if (shown !== null || generationsOf(state, name).length > 0 || !canBeFed(view, state)) return;
      // Nothing is written down of a store that takes nothing.
      await store.check();
      try {
        await catalog.record({
          type: 'staged',
          epoch: state.lastEpoch + 1,
          reason: 'first',
          generations: stage({ views: [view], state, namespace, taken: () => taken }),
        });
        return;
      } catch (error) {
        // Something else was staged at the same moment, this view or another.
        if (!isInsideoutError(error, 'CATALOG_CONFLICT')) throw error;
      }
    }
  }

  update(): void {
    const { view, catalog, only } = this.#options;
    const wanted = generationsOf(catalog.state, view.shape.name).filter(
      (entry) =>
        entry.state !== 'retiring' && entry.fingerprint === this.#fingerprint && (only?.(entry) ?? true),
    );
    for (const [id, run] of this.#runs)
      if (!wanted.some((entry) => entry.generation === id)) run.stop.abort();
    for (const entry of wanted) {
      // What gave up while nobody saw it is tried again once readers do.
      if (entry.state === 'active' && this.#failed.delete(entry.generation))
        this.#runs.delete(entry.generation);
      if (!this.#runs.has(entry.generation)) this.#start(entry);
    }
    if (!only) this.#tellChanged();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#runs.values()].map((run) => run.done));
  }

  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #start(entry: GenerationEntry): void {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.signal, stop.signal]);
    const done = this.#options
      .run(entry, () => this.#open(entry), signal)
      .then(
        () => {
          // Given up because it is being retired; should it come back, it is started again.
          if (!this.signal.aborted) this.#runs.delete(entry.generation);
        },
        (error: unknown) => this.#ended(entry, error),
      );
    this.#runs.set(entry.generation, { stop, done });
  }

  async #open(entry: GenerationEntry): Promise<Generation> {
    const { view, store, catalog } = this.#options;
    const { name } = view.shape;
    const generation = await store.open(view.shape, entry.generation);
    // Opening creates: one that was retired at this moment must not be left behind.
    const now = entryOf(await catalog.refresh(), name, entry.generation);
    if (now && isGoing(now)) {
      await store.drop(name, entry.generation);
      throw new InsideoutError('VIEW_FENCED', `Generation ${entry.generation} of "${name}" was retired.`, {
        hint: 'Nothing needs to be done.',
      });
    }
    if (entry.reason === 'first' && now?.state === 'building') await this.#showFirst(entry);
    // The store was lost with its pointer, and another one took its place.
    if (now?.state === 'active' && (await store.active(name)) === null)
      await store.promote([{ view: view.shape, from: null, to: entry.generation }]);
    return generation;
  }

  async #showFirst({ view, generation }: GenerationEntry): Promise<void> {
    const { store, catalog } = this.#options;
    const move = { view, from: null, to: generation };
    const moved = await store.promote([{ ...move, view: this.#options.view.shape }]);
    if (!moved && (await store.active(view)) !== generation) return;
    try {
      await catalog.record({ type: 'promoted', kind: 'first', moves: [move], gate: [], forced: false });
    } catch (error) {
      // Another process has written it down.
      if (!isInsideoutError(error, 'CATALOG_CONFLICT')) throw error;
    }
  }

  #ended(entry: GenerationEntry, error: unknown): void {
    const { catalog, failed } = this.#options;
    const now = entryOf(catalog.state, entry.view, entry.generation);
    if (now && isGoing(now)) return;
    const active = activeOf(catalog.state, entry.view);
    // Where readers have none yet, this one was to be theirs: without it the view stands still.
    if (active && now?.state !== 'active' && failed) {
      this.#failed.add(entry.generation);
      failed(entry, toInsideoutError(error));
      return;
    }
    this.#failure ??= { error };
    this.#stop.abort();
  }

  #tellChanged(): void {
    const { view, catalog, changed } = this.#options;
    if (!changed) return;
    const { name } = view.shape;
    const active = activeOf(catalog.state, name);
    if (active?.fingerprint === this.#fingerprint) changed(null);
    else if (active) changed(otherDefinition(name, active.generation));
    else if (generationsOf(catalog.state, name).length === 0)
      changed(canBeFed(view, catalog.state) ? unknownGeneration(name) : waitsForUpstream(view));
  }
}

const otherDefinition = (view: string, generation: number): InsideoutError =>
  new InsideoutError(
    'VIEW_CHANGED',
    `The view "${view}" was changed: its generation ${generation} was made by another definition, and stands still here.`,
    {
      hint: `Run \`insideout rebuild ${view} --promote\`; until then, processes with the former config keep it up to date.`,
    },
  );

const unknownGeneration = (view: string): InsideoutError =>
  new InsideoutError(
    'VIEW_CHANGED',
    `The store shows a generation of "${view}" that this Log knows nothing of; it stands still.`,
    { hint: `Run \`insideout rebuild ${view} --promote\` to build it from this Log.` },
  );

const waitsForUpstream = (view: ViewDefinition): InsideoutError =>
  new InsideoutError(
    'VIEW_CHANGED',
    `The view "${view.shape.name}" waits for the view that feeds it to be built.`,
    { hint: 'Run that view as well, or rebuild it when its generation does not write to the Log yet.' },
  );
