import type { Erasure, JournalState } from '../deletes/journal.ts';
import { freeAt, openErasures } from '../deletes/unfinished.ts';

/** So many are finished at once: each place is read once for all of them. */
const most = 100;
const firstDelayMs = 5_000;
const longestDelayMs = 600_000;

interface Attempts {
  /** How far it was: what has gone on since is tried at once. */
  readonly step: string;
  readonly failures: number;
  readonly notBefore: number;
  readonly alone: boolean;
}

export interface Next {
  /** To be finished together now; none when nothing is due. */
  readonly erasures: readonly Erasure[];
  /** When something is due that is not now, milliseconds since 1970; Infinity when only the journal can tell. */
  readonly at: number;
}

/**
 * Which erasures a daemon finishes next: the oldest that is due, and with it others of the same subject or topic,
 * which have the same places. One that could not be finished is due again later and later. So one that waits for
 * ever takes little, and keeps none of another subject waiting.
 */
export class FinishingQueue {
  readonly #attempts = new Map<string, Attempts>();

  next(state: JournalState, now: number): Next {
    const open = openErasures(state);
    const ids = new Set(open.map((erasure) => erasure.id));
    for (const id of this.#attempts.keys()) if (!ids.has(id)) this.#attempts.delete(id);
    const due: Erasure[] = [];
    let at = Number.POSITIVE_INFINITY;
    for (const erasure of open) {
      const from = Math.max(freeAt(erasure), this.#of(erasure)?.notBefore ?? 0);
      if (from <= now) due.push(erasure);
      else at = Math.min(at, from);
    }
    const [first] = due;
    if (!first) return { erasures: [], at };
    if (this.#of(first)?.alone) return { erasures: [first], at };
    const alike = due.filter(
      (e) => e.subject === first.subject && e.source === first.source && !this.#of(e)?.alone,
    );
    return { erasures: alike.slice(0, most), at };
  }

  /** `alone`: one of them may be what keeps the others from being finished. Returns in how many milliseconds they are due. */
  unfinished(erasures: readonly Erasure[], options: { now: number; alone: boolean }): number {
    let longest = 0;
    for (const erasure of erasures) {
      const failures = (this.#of(erasure)?.failures ?? 0) + 1;
      const delay = Math.min(firstDelayMs * 2 ** (failures - 1), longestDelayMs);
      this.#attempts.set(erasure.id, {
        step: stepOf(erasure),
        failures,
        notBefore: options.now + delay,
        alone: options.alone,
      });
      longest = Math.max(longest, delay);
    }
    return longest;
  }

  #of(erasure: Erasure): Attempts | null {
    const attempts = this.#attempts.get(erasure.id);
    return attempts?.step === stepOf(erasure) ? attempts : null;
  }
}

const stepOf = ({ phase, barrier }: Erasure): string => `${phase} ${barrier}`;
