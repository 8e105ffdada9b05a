import type { StoppedTable } from '../connectors/source/source.ts';
import type { GenerationId } from '../core/view.ts';
import { GenerationHealth } from './generation-health.ts';

export type UnitState = 'starting' | 'running' | 'waiting' | 'stopped';

interface Unit {
  readonly kind: UnitKind;
  readonly name: string;
  state: UnitState;
  reason: string | null;
  connected: boolean;
  /** Why this process does not write to what readers see. */
  changed: string | null;
  /** Of a view, those that this process writes to. */
  readonly generations: Map<GenerationId, GenerationHealth>;
}

/** A source and a view may have the same name. */
type UnitKind = 'source' | 'view' | 'deletes' | 'erasures';

/** Why a process is not ready. Empty when it is. */
export interface NotReady {
  readonly kind: UnitKind;
  readonly unit: string;
  readonly reason: string;
}

/** Erasures without a certificate, where this process finishes them. */
export interface OpenErasures {
  readonly open: number;
  /** When the oldest of them was requested, ISO 8601. */
  readonly oldest: string | null;
  /** Code of the error that the last attempt to finish some ended with. */
  readonly lastError: string | null;
}

/** A table of which nothing is captured until an operator acts. */
export interface Stopped {
  readonly source: string;
  readonly table: string;
  readonly reason: string;
}

/**
 * What the probes answer from. Ready means that the work goes on: the slot is being read, and every view has
 * caught up or is catching up. That the process runs is `/healthz`'s question alone.
 */
export class Health {
  readonly #units = new Map<string, Unit>();
  readonly #now: () => number;
  #erasures: OpenErasures | null = null;
  readonly #stopped = new Map<string, readonly Stopped[]>();

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  add(kind: UnitKind, name: string): void {
    this.#units.set(`${kind} ${name}`, {
      kind,
      name,
      state: 'starting',
      reason: null,
      connected: false,
      changed: null,
      generations: new Map(),
    });
  }

  state(of: { kind: UnitKind; name: string }, state: UnitState, reason: string | null = null): void {
    const unit = this.#units.get(`${of.kind} ${of.name}`);
    if (!unit) return;
    unit.state = state;
    unit.reason = reason;
  }

  connected(source: string, active: boolean): void {
    const unit = this.#units.get(`source ${source}`);
    if (unit) unit.connected = active;
  }

  stoppedTables(source: string, tables: readonly StoppedTable[]): void {
    this.#stopped.set(
      source,
      tables.map(({ table, message }) => ({ source, table, reason: message })),
    );
  }

  /** They make nothing unready: all other tables go on, and starting again would only stop them as well. */
  get stopped(): readonly Stopped[] {
    return [...this.#stopped.values()].flat();
  }

  /** A generation of the view is run, from here on under this. Only the one that readers see makes it unready. */
  generation(view: string, id: GenerationId, visible: () => boolean): GenerationHealth {
    const generation = new GenerationHealth(visible, this.#now);
    this.#units.get(`view ${view}`)?.generations.set(id, generation);
    return generation;
  }

  /** Why this process does not keep up to date what readers see; null when it does. */
  changed(view: string, reason: string | null): void {
    const unit = this.#units.get(`view ${view}`);
    if (unit) unit.changed = reason;
  }

  /** Set while something is being waited for, null when it works again. */
  retrying(view: string, reason: string | null): void {
    const unit = this.#units.get(`view ${view}`);
    if (unit && unit.state !== 'stopped') this.state(unit, reason === null ? 'running' : 'waiting', reason);
  }

  erasuresOpen(open: number, oldest: number | null): void {
    this.#erasures = {
      open,
      oldest: oldest === null ? null : new Date(oldest).toISOString(),
      lastError: this.#erasures?.lastError ?? null,
    };
  }

  erasuresFailed(code: string | null): void {
    if (this.#erasures) this.#erasures = { ...this.#erasures, lastError: code };
  }

  /** Null where this process finishes none. They make nothing unready: the rest goes on. */
  get erasures(): OpenErasures | null {
    return this.#erasures;
  }

  notReady(): NotReady[] {
    const reasons: NotReady[] = [];
    for (const unit of this.#units.values()) {
      const { kind, name } = unit;
      if (unit.state !== 'running')
        reasons.push({ kind, unit: name, reason: unit.reason ?? `is ${unit.state}` });
      else if (unit.changed !== null) reasons.push({ kind, unit: name, reason: unit.changed });
      else if (unit.kind === 'source' && !unit.connected)
        reasons.push({ kind, unit: name, reason: 'the slot is not being read' });
      else
        for (const generation of unit.generations.values())
          if (generation.visible() && generation.stuck !== null)
            reasons.push({ kind, unit: name, reason: generation.stuck });
    }
    return reasons;
  }
}
