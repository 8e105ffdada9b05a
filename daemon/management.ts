import { InsideoutError } from '../core/errors.ts';
import type { GenerationId } from '../core/view.ts';
import type { Log } from '../log/log.ts';
import { closureOf } from '../materializer/dependencies.ts';
import { type Catalog, openCatalog } from '../materializer/generations/catalog.ts';
import {
  buildingOf,
  entryOf,
  exists,
  type GenerationEntry,
} from '../materializer/generations/catalog-state.ts';
import { inFeedingOrder } from '../materializer/generations/feeding-order.ts';
import {
  figures,
  type GateOptions,
  type GateReport,
  passGate,
  refused,
} from '../materializer/generations/gate.ts';
import { type PlannedView, planViews } from '../materializer/generations/plan.ts';
import { movePointers, replacedBy, settlePromotions } from '../materializer/generations/promote.ts';
import { retire } from '../materializer/generations/retire.ts';
import { readsWhatIsSeen, stage } from '../materializer/generations/stage.ts';
import { withFed } from '../materializer/generations/with-fed.ts';
import { fingerprint } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import { openExistingLog } from './existing.ts';
import { OpenStores } from './open-stores.ts';
import { refuseErased } from './refuse-erased.ts';

export interface Staged {
  readonly entries: readonly GenerationEntry[];
  /** True when it was staged before, by this command or another process, and is gone on with. */
  readonly resumed: boolean;
  /** What was being built in its place, or together with that, and is given up. */
  readonly givenUp: readonly GenerationEntry[];
}

export type GateWishes = Pick<GateOptions, 'signal' | 'onProgress' | 'onCompare'> & {
  readonly force: boolean;
  readonly waitMs: number | null;
};

/** What an operator does to generations: with connections of its own, beside the daemons that write to them. */
export class Management {
  readonly config: CheckedConfig;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly stores: OpenStores;

  private constructor(parts: { config: CheckedConfig; log: Log; catalog: Catalog; stores: OpenStores }) {
    this.config = parts.config;
    this.log = parts.log;
    this.catalog = parts.catalog;
    this.stores = parts.stores;
  }

  /** Creates no files: there is nothing to manage where nothing has run yet. Errors: `LOG_UNREACHABLE` then. */
  static async open(config: CheckedConfig): Promise<Management> {
    const log = await openExistingLog(config);
    try {
      const catalog = await openCatalog(log, config.namespace);
      const holds = (store: string) => catalog.state.generations.some((g) => g.store === store && exists(g));
      return new Management({ config, log, catalog, stores: new OpenStores(config, holds) });
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.catalog.close();
    await this.stores.close();
    await this.log.close();
  }

  async plan(): Promise<PlannedView[]> {
    const shown = new Map<string, GenerationId | null>();
    for (const { shape, store } of this.config.views)
      shown.set(shape.name, await (await this.stores.get(store)).active(shape.name));
    return planViews(this.config.views, this.catalog.state, shown);
  }

  /**
   * Stages the view and every view that depends on it as one epoch; an epoch of the same definitions that is
   * being built already is gone on with, and one of other definitions is given up.
   */
  async stage(name: string, signal: AbortSignal): Promise<Staged> {
    const { catalog, stores, config } = this;
    await settlePromotions(catalog, stores.get);
    const views = closureOf(config.views, name);
    const building = views.flatMap((v) => buildingOf(catalog.state, v.shape.name) ?? []);
    const epochs = new Set(building.map((entry) => entry.epoch));
    const whole = [...epochs].flatMap((epoch) => this.#epoch(epoch));
    const fits =
      epochs.size === 1 &&
      whole.length === views.length &&
      views.every((v) => building.some((e) => e.view === v.shape.name && e.fingerprint === fingerprint(v))) &&
      building.every((entry) => readsWhatIsSeen(entry, building, catalog.state));
    if (fits) return { entries: inFeedingOrder(building), resumed: true, givenUp: [] };
    if (whole.length > 0) await retire(whole, { catalog, log: this.log, store: stores.get, signal });
    const taken = new Map<string, GenerationId>();
    for (const { shape, store } of views)
      taken.set(shape.name, Math.max(0, ...(await (await stores.get(store)).generations(shape.name))));
    const generations = stage({
      views,
      state: catalog.state,
      namespace: config.namespace,
      taken: (view) => taken.get(view) ?? 0,
    });
    const epoch = catalog.state.lastEpoch + 1;
    await catalog.record({ type: 'staged', epoch, reason: 'rebuild', generations });
    return { entries: this.#epoch(epoch), resumed: false, givenUp: whole };
  }

  /** What is being built together with the view. Errors: `USAGE` when nothing is. */
  building(name: string): GenerationEntry[] {
    const entry = buildingOf(this.catalog.state, name);
    if (entry) return this.#epoch(entry.epoch);
    throw new InsideoutError('USAGE', `No generation of "${name}" is being built.`, {
      hint: `Run \`insideout rebuild ${name}\` first, or name one that exists with --generation.`,
    });
  }

  /**
   * A generation that still follows, by its number, with those that it feeds: readers never see a view of one epoch
   * beside a view of another. Errors: `USAGE` when there is none.
   */
  following(name: string, id: GenerationId): GenerationEntry[] {
    const entry = entryOf(this.catalog.state, name, id);
    if (entry?.state === 'grace') return withFed(this.catalog.state, [entry]);
    if (entry?.state === 'building') return this.#epoch(entry.epoch);
    throw new InsideoutError(
      'USAGE',
      entry
        ? `Generation ${id} of "${name}" is ${entry.state}.`
        : `There is no generation ${id} of "${name}".`,
      { hint: 'See `insideout generations`.' },
    );
  }

  /** Errors: `USAGE` when the last promotion of the view replaced nothing that still exists. */
  replaced(name: string): GenerationEntry[] {
    const entries = inFeedingOrder(replacedBy(this.catalog.state, name));
    if (entries.some((entry) => entry.view === name)) return entries;
    throw new InsideoutError('USAGE', `There is no former generation of "${name}" to go back to.`, {
      hint: 'See `insideout generations`; rebuild the view with the former definition instead.',
    });
  }

  async gate(entries: readonly GenerationEntry[], wishes: GateWishes, compare = true): Promise<GateReport[]> {
    const { catalog, log, stores, config } = this;
    const { maxLag, steadyMs } = config.rebuild;
    const { force: _force, ...rest } = wishes;
    return passGate({
      entries,
      catalog,
      log,
      store: stores.get,
      maxLag,
      steadyMs: compare ? steadyMs : 0,
      compare,
      ...rest,
    });
  }

  /**
   * Moves readers to these generations if the gate lets them; never, whatever is forced, to one that may show erased
   * rows. Errors: `VIEW_GATE`, `CATALOG_CONFLICT`.
   */
  async move(
    entries: readonly GenerationEntry[],
    parts: {
      kind: 'promote' | 'rollback';
      reports: readonly GateReport[];
      force: boolean;
    },
  ) {
    const { kind, reports, force } = parts;
    const passed = reports.every((report) => report.passed);
    if (!passed && !force) throw refused(reports);
    await refuseErased(entries, this);
    return movePointers({
      catalog: this.catalog,
      store: this.stores.get,
      entries,
      kind,
      gate: reports.map(figures),
      forced: !passed,
    });
  }

  #epoch(epoch: number): GenerationEntry[] {
    return inFeedingOrder(
      this.catalog.state.generations.filter((g) => g.epoch === epoch && g.state === 'building'),
    );
  }
}
