import pRetry, { AbortError } from 'p-retry';
import { isInsideoutError, toInsideoutError } from '../core/errors.ts';
import type { ViewObserver } from './observer.ts';

/** First and longest wait between attempts, milliseconds. */
const minTimeout = 100;
const maxTimeout = 10_000;

/**
 * Runs `work` until it works. What may pass by itself is waited for, with exponential back-off and jitter, for
 * as long as the signal lets it; everything else is thrown at once.
 */
export async function untilItWorks<T>(
  work: () => Promise<T>,
  options: { signal: AbortSignal; observe: ViewObserver },
): Promise<T> {
  const { signal, observe } = options;
  let failed = false;
  const result = await pRetry(
    async () => {
      try {
        return await work();
      } catch (error) {
        const ours = toInsideoutError(error);
        if (ours.retry !== 'backoff') throw new AbortError(ours);
        failed = true;
        observe.retrying(ours);
        throw ours;
      }
    },
    { retries: Number.POSITIVE_INFINITY, minTimeout, maxTimeout, factor: 2, randomize: true, signal },
  );
  if (failed) observe.recovered();
  return result;
}

/** True when the failure is only the signal's. */
export const wasAborted = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted && !isInsideoutError(error, 'INTERNAL');
