import type { Log } from '../../log/log.ts';
import type { PartitionRun } from './partition-run.ts';

/** Partitions are assigned one after the other, and asked about together. */
const afterAssignedMs = 100;
const whileBehindMs = 5_000;

/**
 * Asks the Log where partitions end when no batch tells it: after they were assigned, since one that is at its end
 * brings none; and while something keeps the work waiting, since nothing more is taken from the Log then, and what
 * waits there grows.
 */
export class LagWatch {
  readonly #parts: { readonly log: Log; readonly topic: string; runs(): Iterable<PartitionRun> };
  readonly #interval: NodeJS.Timeout;
  #assigned: NodeJS.Timeout | null = null;
  /** Partitions were assigned, and their ends are not known yet. */
  #due = false;
  #asking = false;

  constructor(parts: { log: Log; topic: string; runs(): Iterable<PartitionRun> }) {
    this.#parts = parts;
    this.#interval = setInterval(() => void this.#look(), whileBehindMs);
  }

  assigned(): void {
    this.#due = true;
    this.#assigned ??= setTimeout(() => {
      this.#assigned = null;
      void this.#look();
    }, afterAssignedMs);
  }

  close(): void {
    clearInterval(this.#interval);
    if (this.#assigned) clearTimeout(this.#assigned);
  }

  async #look(): Promise<void> {
    const { log, topic, runs } = this.#parts;
    if (this.#asking || (!this.#due && ![...runs()].some((run) => run.behind))) return;
    this.#asking = true;
    this.#due = false;
    try {
      const ends = await log.offsets([topic]);
      for (const run of runs()) run.reaches(ends.get(run.key)?.end ?? 0);
    } catch {
      // Whoever reads the topic meets the same failure, and tells it.
      this.#due = true;
    } finally {
      this.#asking = false;
    }
  }
}
