import type { ViewStore } from '../connectors/sink/view-store.ts';
import type { CheckedConfig } from './config/check.ts';
import { lostFile } from './existing.ts';
import { openStore } from './wiring.ts';

/** The stores of a config, each opened when it is first needed. */
export class OpenStores {
  readonly #config: CheckedConfig;
  readonly #stores = new Map<string, Promise<ViewStore>>();
  readonly #holds: (store: string) => boolean;

  /** `holds`: where something was, so that its file is not made anew should it be gone. Default: nowhere. */
  constructor(config: CheckedConfig, holds: (store: string) => boolean = () => false) {
    this.#config = config;
    this.#holds = holds;
  }

  /**
   * Errors: `USAGE` when the config has no such store, `STORE_UNREACHABLE` when its file was lost, and those of
   * opening it; a failed one is tried again.
   */
  readonly get = (name: string): Promise<ViewStore> => {
    const known = this.#stores.get(name);
    if (known) return known;
    const opening = this.#open(name);
    this.#stores.set(name, opening);
    opening.catch(() => this.#stores.delete(name));
    return opening;
  };

  async close(): Promise<void> {
    for (const opening of this.#stores.values()) await (await opening.catch(() => null))?.close();
  }

  async #open(name: string): Promise<ViewStore> {
    const lost = this.#holds(name) ? lostFile(this.#config, name) : null;
    if (lost) throw lost;
    return openStore(this.#config, name);
  }
}
