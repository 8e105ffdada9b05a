import { isInsideoutError } from '../core/errors.ts';

export interface Patience {
  readonly signal: AbortSignal;
  /** Milliseconds; without it there is no end to it. */
  readonly patienceMs?: number | undefined;
}

/** Does what waits for others, and gives it up when the patience for it is over: false then. */
export async function patiently(
  { signal, patienceMs }: Patience,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  if (patienceMs === undefined) {
    await work(signal);
    return true;
  }
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), patienceMs);
  try {
    await work(AbortSignal.any([signal, over.signal]));
    return true;
  } catch (error) {
    if (over.signal.aborted && !signal.aborted && !isInsideoutError(error)) return false;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
