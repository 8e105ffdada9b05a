import type { ViewStore } from '../connectors/sink/view-store.ts';
import type { CheckedConfig } from './config/check.ts';
import { openStore } from './wiring.ts';

/** The stores of a config, each opened when it is first needed. */
export class OpenStores {
  readonly #config: CheckedConfig;
  readonly #stores = new Map<string, Promise<ViewStore>>();

  constructor(config: CheckedConfig) {
    this.#config = config;
  }

  /** Errors: `USAGE` when the config has no such store, and those of opening it; a failed one is tried again. */
  readonly get = (name: string): Promise<ViewStore> => {
    const known = this.#stores.get(name);
    if (known) return known;
    const opening = openStore(this.#config, name);
    this.#stores.set(name, opening);
    opening.catch(() => this.#stores.delete(name));
    return opening;
  };

  async close(): Promise<void> {
    for (const opening of this.#stores.values()) await (await opening.catch(() => null))?.close();
  }
}
