import { setTimeout as wait } from 'node:timers/promises';

/**
 * Holds work back to a rate. What was not used is not saved up beyond a tenth of a second, so a pause is not
 * followed by a burst.
 */
export class Throttle {
  readonly #rate: () => number | null;
  readonly #now: () => number;
  /** When the work that was let through so far is paid for, milliseconds. */
  #paidAt = 0;

  /** `rate` is asked each time: records a second, null for as fast as it goes. */
  constructor(rate: () => number | null, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Resolves when `records` more may be read. Rejects when the signal aborts. */
  async take(records: number, signal: AbortSignal): Promise<void> {
    const rate = this.#rate();
    if (rate === null) return;
    const now = this.#now();
    const begin = Math.max(this.#paidAt, now - burstMs);
    this.#paidAt = begin + (records / rate) * 1000;
    if (begin > now) await wait(begin - now, undefined, { signal });
  }
}

const burstMs = 100;
