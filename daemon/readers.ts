import { generationGone } from '../connectors/sink/store-errors.ts';
import type { Generation } from '../connectors/sink/view-store.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { rootTopic } from '../materializer/dependencies.ts';
import { type Catalog, openCatalog } from '../materializer/generations/catalog.ts';
import {
  type CatalogState,
  entryOf,
  type GenerationEntry,
} from '../materializer/generations/catalog-state.ts';
import { type Barriers, openBarriers, openReader } from '../materializer/reading/open-reader.ts';
import { type Reader, reader } from '../materializer/reading/reader.ts';
import type { Hop } from '../materializer/reading/wait.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import { type CheckedConfig, checkConfig } from './config/check.ts';
import type { Config } from './config/descriptors.ts';
import { OpenStores } from './open-stores.ts';
import { openLog, sourceBarriers } from './wiring.ts';

/** Readers of the views of a config, for an application. */
export interface Readers {
  /**
   * A reader of the view; the same one each time. The Log and the database are connected to by the first read
   * that is given a token. Errors: `VIEW_UNKNOWN`, and those of opening the store.
   */
  view(name: string): Promise<Reader>;
  close(): Promise<void>;
}

/** Opens readers for what `defineConfig` made. Errors: `CONFIG_INVALID`. */
export function openReaders(config: Config): Readers {
  return readersOf(checkConfig(config, 'The config'));
}

/** The same for a config that was checked already. */
export function readersOf(config: CheckedConfig): Readers {
  const stores = new OpenStores(config);
  const waiting = new Waiting(config, stores);
  const opened = new Map<string, Promise<Reader>>();
  const open = async (name: string): Promise<Reader> => {
    const view = config.views.find((v) => v.shape.name === name);
    if (!view)
      throw new InsideoutError('VIEW_UNKNOWN', `There is no view "${name}" in the config.`, {
        hint: `Known: ${config.views.map((v) => v.shape.name).join(', ') || 'none'}.`,
      });
    const store = await stores.get(view.store);
    const atOnce = reader(store, view.shape);
    let patient: Promise<Reader> | null = null;
    const forToken = (after: string | undefined): Promise<Reader> | Reader => {
      if (after === undefined) return atOnce;
      patient ??= waiting.reader(view);
      patient.catch(() => {
        patient = null;
      });
      return patient;
    };
    return {
      get: async (key, asked) => (await forToken(asked?.after)).get(key, asked),
      getMany: async (keys, asked) => (await forToken(asked?.after)).getMany(keys, asked),
      async *scan(asked) {
        yield* (await forToken(asked?.after)).scan(asked);
      },
      close: async () => {},
    };
  };
  return {
    view: (name) => {
      const known = opened.get(name);
      if (known) return known;
      const opening = open(name);
      opened.set(name, opening);
      opening.catch(() => opened.delete(name));
      return opening;
    },
    close: async () => {
      await waiting.close();
      await stores.close();
    },
  };
}

/** What reads with a token need: Log, catalog, and a connection to each source's database. Opened when needed. */
class Waiting {
  readonly #config: CheckedConfig;
  readonly #stores: OpenStores;
  readonly #barriers = new Map<string, Barriers>();
  #context: Promise<{ log: Log; catalog: Catalog }> | null = null;

  constructor(config: CheckedConfig, stores: OpenStores) {
    this.#config = config;
    this.#stores = stores;
  }

  async reader(view: ViewDefinition): Promise<Reader> {
    const source = rootTopic(this.#config.views, view).split('.')[0]!;
    if (!(source in this.#config.sources))
      throw new InsideoutError('USAGE', `The view "${view.shape.name}" is fed by no source of this config.`, {
        hint: 'Read it without a token, or add the source whose tokens are given.',
      });
    this.#context ??= this.#open();
    this.#context.catch(() => {
      this.#context = null;
    });
    const { log, catalog } = await this.#context;
    let barriers = this.#barriers.get(source);
    if (!barriers) {
      barriers = openBarriers({ source, log, emitter: sourceBarriers(this.#config, source) });
      this.#barriers.set(source, barriers);
    }
    const hops = (generation: Generation) => this.#hops(catalog.state, generation);
    return openReader({ store: await this.#stores.get(view.store), view: view.shape, log, barriers, hops });
  }

  async close(): Promise<void> {
    for (const { shared } of this.#barriers.values()) await shared.close();
    const context = await this.#context?.catch(() => null);
    await context?.catalog.close();
    await context?.log.close();
  }

  async #open(): Promise<{ log: Log; catalog: Catalog }> {
    const log = await openLog(this.#config);
    try {
      return { log, catalog: await openCatalog(log, this.#config.namespace) };
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** From the generation that reads the source's topic to this one, over those that feed it. */
  async #hops(state: CatalogState, generation: Generation): Promise<Hop[]> {
    const entry = entryOf(state, generation.view.name, generation.id);
    if (!entry)
      throw new InsideoutError(
        'VIEW_CHANGED',
        `The store shows a generation of "${generation.view.name}" that this Log knows nothing of.`,
        { hint: `Run \`insideout rebuild ${generation.view.name} --promote\` to build it from this Log.` },
      );
    const hops: Hop[] = [{ generation, input: entry.input }];
    for (let at: GenerationEntry | undefined = entry; ; ) {
      const input: string = at.input;
      at = state.generations.find((g) => g.output === input);
      if (!at) return hops;
      const store = await this.#stores.get(at.store);
      const feeding = await store.find(at.shape, at.generation);
      if (!feeding) throw generationGone(at.view, at.generation);
      hops.unshift({ generation: feeding, input: at.input });
    }
  }
}
