import { randomUUID } from 'node:crypto';
import type { BarrierEmitter, PassedBarrier } from '../../connectors/source/barriers.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { BarrierTail, TailListener } from './barrier-tail.ts';
import { untilAborted } from './until-aborted.ts';

export interface SharedBarrierParts {
  readonly emitter: BarrierEmitter;
  tail(listener: TailListener): BarrierTail;
  /** How long a barrier that does not come holds up the next one, milliseconds. Default 1,000. */
  readonly overdueMs?: number;
}

/** One barrier and how many wait for it. */
interface Round {
  readonly id: string;
  readonly written: Deferred<void>;
  readonly passed: Deferred<PassedBarrier>;
  waiting: number;
}

/**
 * Barriers of one source, shared by all who wait: one is under way at a time, and those who come meanwhile share
 * the next one. Nobody is given a barrier that was written before they came.
 */
export class SharedBarriers {
  readonly #emitter: BarrierEmitter;
  readonly #tail: BarrierTail;
  readonly #overdueMs: number;
  /** Written, or being written, and waited for; oldest first. */
  #rounds: Round[] = [];
  /** Under way: the next one is held back for it. */
  #ahead: Round | null = null;
  /** Not written yet: who comes now may join. */
  #next: Round | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: SharedBarrierParts) {
    this.#emitter = parts.emitter;
    this.#overdueMs = parts.overdueMs ?? 1_000;
    this.#tail = parts.tail({
      passed: (barrier) => this.#passed(barrier),
      failed: (error) => this.#failAll(error),
    });
  }

  /** Begins to follow the source's barriers, so that the first to wait need not wait for that as well. */
  warm(): void {
    // Whoever waits meets the same failure, and begins again.
    this.#tail.begun().catch(() => {});
  }

  /**
   * A barrier that was written after this call, once the source has passed it. When the signal aborts, its reason
   * is thrown. Errors: `SOURCE_…` when it cannot be written, `LOG_…` when the Log cannot be read.
   *
   * @param written called once the barrier is written, when only the source is still waited for
   */
  async next(signal: AbortSignal, written: () => void): Promise<PassedBarrier> {
    await untilAborted(this.#tail.begun(), signal);
    if (this.#closed) throw closed();
    this.#next ??= { id: randomUUID(), written: deferred(), passed: deferred(), waiting: 0 };
    const round = this.#next;
    round.waiting++;
    this.#begin();
    try {
      await untilAborted(round.written.promise, signal);
      written();
      return await untilAborted(round.passed.promise, signal);
    } finally {
      if (--round.waiting === 0) this.#rounds = this.#rounds.filter((other) => other !== round);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#failAll(closed());
    await this.#tail.close();
    await this.#emitter.close();
  }

  #begin(): void {
    const round = this.#next;
    if (!round || round.waiting === 0 || this.#ahead) return;
    this.#next = null;
    this.#ahead = round;
    this.#rounds.push(round);
    this.#emitter.emit(round.id).then(
      () => {
        round.written.resolve();
        if (this.#ahead === round) this.#timer = setTimeout(() => this.#over(round), this.#overdueMs);
      },
      (error: unknown) => {
        this.#rounds = this.#rounds.filter((other) => other !== round);
        fail(round, error);
        this.#over(round);
      },
    );
  }

  /** The next barrier need not wait for this one any longer. */
  #over(round: Round): void {
    if (this.#ahead !== round) return;
    clearTimeout(this.#timer);
    this.#ahead = null;
    this.#begin();
  }

  /** It was written later than all barriers before it, so it serves those who wait for them as well. */
  #passed(barrier: PassedBarrier): void {
    const at = this.#rounds.findIndex((round) => round.id === barrier.id);
    for (const round of this.#rounds.splice(0, at + 1)) {
      // The source may be faster than the answer of the database.
      round.written.resolve();
      round.passed.resolve(barrier);
      this.#over(round);
    }
    if (this.#ahead?.id === barrier.id) this.#over(this.#ahead);
  }

  #failAll(error: unknown): void {
    const failed = [...this.#rounds, ...(this.#next ? [this.#next] : [])];
    this.#rounds = [];
    this.#next = null;
    this.#ahead = null;
    clearTimeout(this.#timer);
    for (const round of failed) fail(round, error);
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // A failure that nobody waits for any more is nobody's.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

function fail(round: Round, error: unknown): void {
  round.written.reject(error);
  round.passed.reject(error);
}

const closed = (): InsideoutError =>
  new InsideoutError('LOG_CLOSED', 'The reader was closed.', { hint: 'Open it again.' });
