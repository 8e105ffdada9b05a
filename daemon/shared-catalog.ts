import { loadErasureKey } from '../deletes/erasure-key.ts';
import { ErasureGuard } from '../deletes/guard.ts';
import { type Journal, openJournal } from '../deletes/journal.ts';
import { keepJournal } from '../deletes/kept-journal.ts';
import type { KeyHasher } from '../deletes/key-hash.ts';
import type { Log } from '../log/log.ts';
import { type Catalog, openCatalog } from '../materializer/generations/catalog.ts';
import type { CheckedConfig } from './config/check.ts';
import { openLog } from './wiring.ts';

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
    const { namespace, erasure } = this.#config;
    const log = await openLog(this.#config);
    const [catalog, journal] = await Promise.allSettled([
      openCatalog(log, namespace),
      openJournal(log, namespace),
    ]);
    if (catalog.status === 'fulfilled' && journal.status === 'fulfilled') {
      await keepJournal({ log, journal: journal.value, namespace, key: erasure.key });
      let hasher: KeyHasher | null = null;
      const erased = new ErasureGuard(
        () => journal.value.state,
        () => {
          hasher ??= loadErasureKey(erasure.key, { create: false }).hasher;
          return hasher;
        },
      );
      return { log, catalog: catalog.value, journal: journal.value, erased };
    }
    for (const opened of [catalog, journal]) if (opened.status === 'fulfilled') await opened.value.close();
    await log.close();
    throw catalog.status === 'rejected' ? catalog.reason : (journal as PromiseRejectedResult).reason;
  }
}

async function close(opened: Followed | null): Promise<void> {
  await opened?.catalog.close();
  await opened?.journal.close();
  await opened?.log.close();
}
