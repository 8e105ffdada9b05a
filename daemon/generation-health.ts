/** A lag that has not moved for this long is stuck: far longer than a store takes for what it is given at once. */
const stuckAfterMs = 10_000;

/** How a generation of a view fares in this process. */
export class GenerationHealth {
  /** Whether it is the one that readers see. */
  readonly visible: () => boolean;
  readonly #now: () => number;
  readonly #lag = new Map<number, number>();
  #movedAt: number;
  #waitsFor: string | null = null;

  constructor(visible: () => boolean, now: () => number) {
    this.visible = visible;
    this.#now = now;
    this.#movedAt = now();
  }

  applied(partition: number, lag: number): void {
    this.#lag.set(partition, lag);
    this.#movedAt = this.#now();
  }

  behind(partition: number, lag: number): void {
    // What comes to a view that was at the end is not late yet.
    if (this.#behind === 0) this.#movedAt = this.#now();
    this.#lag.set(partition, lag);
  }

  revoked(partition: number): void {
    this.#lag.delete(partition);
  }

  /** Set while something is waited for, null when it is there. */
  waitsFor(reason: string | null): void {
    this.#waitsFor = reason;
  }

  /** Why its work does not go on; null when it does. */
  get stuck(): string | null {
    if (this.#waitsFor !== null) return this.#waitsFor;
    const lag = this.#behind;
    return lag > 0 && this.#now() - this.#movedAt > stuckAfterMs
      ? `is ${lag} records behind and has not moved for ${stuckAfterMs / 1000} s`
      : null;
  }

  get #behind(): number {
    let sum = 0;
    for (const lag of this.#lag.values()) sum += lag;
    return sum;
  }
}
