/** An item that was offered. */
export interface Offer {
  /** True once the consumer asked for the item after it; false when it was withdrawn or everything ended. */
  readonly taken: Promise<boolean>;
}

interface Pending<T> {
  readonly item: T;
  settle(taken: boolean): void;
}

/** Hands items from callbacks to one asynchronous iteration. Who offers waits, so memory stays bounded. */
export class Handoff<T> {
  #pending: Pending<T>[] = [];
  #wake: (() => void) | null = null;
  #ended: { readonly error?: unknown } | null = null;

  get ended(): boolean {
    return this.#ended !== null;
  }

  offer(item: T): Offer {
    let settle: (taken: boolean) => void = () => {};
    const taken = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    const pending = { item, settle };
    if (this.#ended) settle(false);
    else this.#pending.push(pending);
    this.#wake?.();
    return { taken };
  }

  /** Takes back every item that the consumer does not have yet. */
  withdrawAll(): void {
    for (const { settle } of this.#pending.splice(0)) settle(false);
  }

  /** Ends the iteration without an error. */
  end(): void {
    this.#finish({});
  }

  /** Ends the iteration by throwing; only the first failure counts. */
  fail(error: unknown): void {
    this.#finish({ error });
  }

  async *items(): AsyncGenerator<T> {
    try {
      for (;;) {
        if (this.#ended) {
          if ('error' in this.#ended) throw this.#ended.error;
          return;
        }
        const next = this.#pending.shift();
        if (!next) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = null;
          continue;
        }
        let asked = false;
        try {
          yield next.item;
          asked = true;
        } finally {
          next.settle(asked);
        }
      }
    } finally {
      this.end();
    }
  }

  #finish(how: { readonly error?: unknown }): void {
    this.#ended ??= how;
    for (const { settle } of this.#pending.splice(0)) settle(false);
    this.#wake?.();
  }
}
