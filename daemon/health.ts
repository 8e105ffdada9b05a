/** A view whose lag has not moved for this long is not ready. */
const stuckAfterMs = 30_000;

export type UnitState = 'starting' | 'running' | 'waiting' | 'stopped';

interface Unit {
  readonly kind: UnitKind;
  readonly name: string;
  state: UnitState;
  reason: string | null;
  connected: boolean;
  /** Why the generation that readers see stands still here. */
  changed: string | null;
  readonly lag: Map<number, number>;
  movedAt: number;
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

/**
 * What the probes answer from. Ready means that the work goes on: the slot is being read, and every view has
 * caught up or is catching up. That the process runs is `/healthz`'s question alone.
 */
export class Health {
  readonly #units = new Map<string, Unit>();
  readonly #now: () => number;
  #erasures: OpenErasures | null = null;

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
      lag: new Map(),
      movedAt: this.#now(),
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

  applied(view: string, partition: number, lag: number): void {
    const unit = this.#units.get(`view ${view}`);
    if (!unit) return;
    unit.lag.set(partition, lag);
    unit.movedAt = this.#now();
  }

  /** The view's definition is not the one that made what readers see; null when it is again. */
  changed(view: string, reason: string | null): void {
    const unit = this.#units.get(`view ${view}`);
    if (unit) unit.changed = reason;
  }

  revoked(view: string, partition: number): void {
    this.#units.get(`view ${view}`)?.lag.delete(partition);
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
      const lag = [...unit.lag.values()].reduce((sum, n) => sum + n, 0);
      if (unit.state !== 'running')
        reasons.push({ kind, unit: name, reason: unit.reason ?? `is ${unit.state}` });
      else if (unit.changed !== null) reasons.push({ kind, unit: name, reason: unit.changed });
      else if (unit.kind === 'source' && !unit.connected)
        reasons.push({ kind, unit: name, reason: 'the slot is not being read' });
      else if (lag > 0 && this.#now() - unit.movedAt > stuckAfterMs)
        reasons.push({
          kind,
          unit: name,
          reason: `is ${lag} records behind and has not moved for ${stuckAfterMs / 1000} s`,
        });
    }
    return reasons;
  }
}
