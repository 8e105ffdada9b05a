import type { Log } from '../log/log.ts';
import { type Catalog, openCatalog } from '../materializer/generations/catalog.ts';
import type { CheckedConfig } from './config/check.ts';
import { openLog } from './wiring.ts';

/** The catalog of generations for all views of a process, with a connection of its own. */
export class SharedCatalog {
  readonly #config: CheckedConfig;
  #opened: Promise<{ log: Log; catalog: Catalog }> | null = null;

  constructor(config: CheckedConfig) {
    this.#config = config;
  }

  /** Opens it when it is needed, and anew after it failed. Callers at the same time get the same one. */
  get(): Promise<{ log: Log; catalog: Catalog }> {
    const former = this.#opened;
    this.#opened = (async () => {
      const opened = (await former?.catch(() => null)) ?? null;
      return opened && !opened.catalog.failed ? opened : this.#open(opened);
    })();
    return this.#opened;
  }

  async close(): Promise<void> {
    await close((await this.#opened?.catch(() => null)) ?? null);
  }

  async #open(former: { log: Log; catalog: Catalog } | null): Promise<{ log: Log; catalog: Catalog }> {
    await close(former);
    const log = await openLog(this.#config);
    try {
      return { log, catalog: await openCatalog(log, this.#config.namespace) };
    } catch (error) {
      await log.close();
      throw error;
    }
  }
}

async function close(opened: { log: Log; catalog: Catalog } | null): Promise<void> {
  await opened?.catalog.close();
  await opened?.log.close();
}
