import pRetry, { AbortError } from 'p-retry';
import { toInsideoutError } from '../../core/errors.ts';
import type { ViewObserver } from './observer.ts';

/** First and longest wait between attempts, milliseconds; each is up to twice as long, at random. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}
const defaultBackoff: Backoff = { first: 100, longest: 10_000 };

/**
 * Runs `work` until it works. What may pass by itself is waited for, with exponential back-off and jitter, for
 * as long as the signal lets it; everything else is thrown at once. After the signal aborted its reason is
 * thrown, and what `work` is busy with at that moment is finished first.
 */
export async function untilItWorks<T>(
  work: () => Promise<T>,
  options: {
    signal: AbortSignal;
    observe: Pick<ViewObserver, 'retrying' | 'recovered'>;
    backoff?: Backoff | undefined;
  },
): Promise<T> {
  const { signal, observe } = options;
  const { first, longest } = options.backoff ?? defaultBackoff;
  let failed = false;
  const result = await pRetry(
    async () => {
      try {
        return await work();
      } catch (error) {
        if (isAbort(error, signal)) throw error;
        const ours = toInsideoutError(error);
        if (ours.retry !== 'backoff') throw new AbortError(ours);
        failed = true;
        observe.retrying(ours);
        throw ours;
      }
    },
    {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: first,
      maxTimeout: longest,
      factor: 2,
      randomize: true,
      signal,
    },
  );
  if (failed) observe.recovered();
  return result;
}

/** True when an error says no more than that the signal was aborted. */
export const isAbort = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'));
