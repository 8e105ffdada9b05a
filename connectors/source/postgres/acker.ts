import type { Lsn } from '../../../core/lsn.ts';

/**
 * Decides which LSN may be confirmed to Postgres. Pure: no clock, no connection.
 *
 * What is confirmed is the end of a commit record, the first byte after it. The server skips transactions whose
 * commit record starts before the confirmed point (SnapBuildXactNeedsSkip in snapbuild.c), so the end of one
 * commit is exactly the largest value that cannot skip the next one, and confirming a byte more could.
 */
export class Acker {
  #confirmed: Lsn;
  /** End of the last transaction or mark that has something to become durable. */
  #outstanding: Lsn;
  /** Everything before here was sent to us, and what of it has records ends at or before `#outstanding`. */
  #seen: Lsn;
  #open = false;

  /** @param confirmed the slot's confirmed_flush_lsn when the stream starts */
  constructor(confirmed: Lsn) {
    this.#confirmed = confirmed;
    this.#outstanding = confirmed;
    this.#seen = confirmed;
  }

  /** The LSN to report: everything before it is durable in the Log. Never moves back. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /** A transaction began to arrive. */
  began(): void {
    this.#open = true;
  }

  /** A transaction arrived whole; `hasRecords` when any of it must become durable first. */
  committed(endLsn: Lsn, hasRecords: boolean): void {
    this.#open = false;
    if (endLsn > this.#seen) this.#seen = endLsn;
    if (hasRecords) this.#outstanding = endLsn;
    this.#settle();
  }

  /** A mark between transactions arrived that has something of it to become durable. */
  marked(endLsn: Lsn): void {
    if (endLsn > this.#seen) this.#seen = endLsn;
    this.#outstanding = endLsn;
  }

  /** The Log holds everything up to here. */
  acknowledge(lsn: Lsn): void {
    const durable = lsn < this.#outstanding ? lsn : this.#outstanding;
    if (durable > this.#confirmed) this.#confirmed = durable;
    this.#settle();
  }

  /** The server has sent everything before `walEnd`. With nothing outstanding that is as good as durable. */
  keepalive(walEnd: Lsn): void {
    // Inside a transaction walEnd may already be past its commit record.
    if (this.#open) return;
    if (walEnd > this.#seen) this.#seen = walEnd;
    this.#settle();
  }

  #settle(): void {
    if (this.#confirmed >= this.#outstanding && this.#seen > this.#confirmed) this.#confirmed = this.#seen;
  }
}
