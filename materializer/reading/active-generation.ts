import { generationGone } from '../../connectors/sink/store-errors.ts';
import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import { type InsideoutError, toInsideoutError } from '../../core/errors.ts';
import type { ViewShape } from '../../core/view.ts';

/** How long the pointer is believed: so long may a read still see a generation after another was promoted. */
const pointerMs = 100;

/** The generation of a view that readers see, asked for at most every tenth of a second. */
export class ActiveGeneration {
  readonly #store: ViewStore;
  readonly #view: ViewShape;
  readonly #now: () => number;
  #open: Generation | null = null;
  #until = Number.NEGATIVE_INFINITY;
  #asking: Promise<Generation | null> | null = null;

  constructor(store: ViewStore, view: ViewShape, now = () => performance.now()) {
    this.#store = store;
    this.#view = view;
    this.#now = now;
  }

  /** Null when the view was never built. Errors: those of the store, `VIEW_SHAPE`, `VIEW_GENERATION_GONE`. */
  async current(): Promise<Generation | null> {
    if (this.#open && this.#now() < this.#until) return this.#open;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** The pointer is asked for at the next read. */
  forget(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** What the failure of a read really was: stores have no code of their own for a generation that was removed. */
  async explain(generation: Generation, error: unknown): Promise<InsideoutError> {
    try {
      await this.mustExist(generation);
      return toInsideoutError(error);
    } catch (gone) {
      return toInsideoutError(gone);
    }
  }

  /** Errors: `VIEW_GENERATION_GONE`, and those of the store. */
  async mustExist({ id }: Generation): Promise<void> {
    const { name } = this.#view;
    if (!(await this.#store.generations(name)).includes(id)) throw generationGone(name, id);
  }

  async #ask(): Promise<Generation | null> {
    for (;;) {
      const at = this.#now();
      const active = await this.#store.active(this.#view.name);
      if (this.#open?.id !== active)
        this.#open = active === null ? null : await this.#store.find(this.#view, active);
      if (this.#open !== null || active === null) {
        this.#until = at + pointerMs;
        return this.#open;
      }
      // It was removed in between, and the pointer is at another one.
      if ((await this.#store.active(this.#view.name)) === active)
        throw generationGone(this.#view.name, active);
    }
  }
}
