import type { ErasureGuard } from '../deletes/guard.ts';
import type { Journal } from '../deletes/journal.ts';
import type { Log } from '../log/log.ts';
import type { Catalog } from '../materializer/generations/catalog.ts';
import type { CheckedConfig } from './config/check.ts';

/** What all views of a process follow: which generations there are, and whose rows must not come back. */
export interface Followed {
  readonly log: Log;
  readonly catalog: Catalog;
  readonly journal: Journal;
  readonly erased: ErasureGuard;
}

/** The catalog of generations and the journal of erasures for a whole process, with a connection of their own. */
export class SharedCatalog {
  readonly #config: CheckedConfig;
  #opened: Promise<Followed> | null = null;

  constructor(config: CheckedConfig) {
    this.#config = config;
  }

  /** Opens it when it is needed, and anew after it failed. Callers at the same time get the same one. */
  get(): Promise<Followed> {
    const former = this.#opened;
    this.#opened = (async () => {
      const opened = (await former?.catch(() => null)) ?? null;
      const well = opened && !opened.catalog.failed && !opened.journal.failed;
      return well ? opened : this.#open(opened);
    })();
    return this.#opened;
  }

  async close(): Promise<void> {
    await close((await this.#opened?.catch(() => null)) ?? null);
  }

  async #open(former: Followed | null): Promise<Followed> {
    await close(former);
    // Loaded when needed: who runs sources only needs none of it.
    const { openFollowed } = await import('./open-followed.ts');
    return openFollowed(this.#config);
  }
}

async function close(opened: Followed | null): Promise<void> {
  await opened?.catalog.close();
  await opened?.journal.close();
  await opened?.log.close();
}
