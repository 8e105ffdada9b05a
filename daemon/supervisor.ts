import { setTimeout as wait } from 'node:timers/promises';
import { InsideoutError, toInsideoutError } from '../core/errors.ts';

/** What a supervised unit is: it runs until the signal aborts, or throws. */
export interface Unit {
  readonly name: string;
  readonly kind: 'source' | 'view' | 'deletes' | 'erasures';
  run(signal: AbortSignal): Promise<void>;
}

export interface SupervisorEvents {
  started(unit: Unit): void;
  /** It failed with what may pass, and is started again after `delayMs`. */
  restarting(unit: Unit, error: InsideoutError, delayMs: number): void;
  /** It failed with what an operator must mend, and is not started again. */
  stopped(unit: Unit, error: InsideoutError): void;
}

export interface SupervisorClock {
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

export const systemClock: SupervisorClock = {
  now: Date.now,
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => {}),
  random: Math.random,
};

const firstDelayMs = 200;
const longestDelayMs = 30_000;
/** A unit that ran this long before it failed starts over with the first delay. */
const healthyAfterMs = 60_000;

/**
 * Runs units side by side and starts those again that failed with what may pass. A source that an operator must
 * mend stops everything, because without it nothing moves; a view stops alone. Resolves when the signal aborted
 * and all units ended, or when nothing is left to run, with the errors of the units that were stopped.
 */
export async function supervise(
  units: readonly Unit[],
  options: { signal: AbortSignal; events: SupervisorEvents; clock?: SupervisorClock },
): Promise<InsideoutError[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const errors: InsideoutError[] = [];
  await Promise.all(
    units.map(async (unit) => {
      const error = await keepRunning(unit, { ...options, signal });
      if (!error) return;
      errors.push(error);
      options.events.stopped(unit, error);
      if (unit.kind === 'source') stop.abort();
    }),
  );
  return errors;
}

async function keepRunning(
  unit: Unit,
  options: { signal: AbortSignal; events: SupervisorEvents; clock?: SupervisorClock },
): Promise<InsideoutError | null> {
  const { signal, events } = options;
  const clock = options.clock ?? systemClock;
  let delay = firstDelayMs;
  while (!signal.aborted) {
    const startedAt = clock.now();
    try {
      events.started(unit);
      await unit.run(signal);
      return signal.aborted ? null : endedByItself(unit);
    } catch (cause) {
      if (signal.aborted) return null;
      const error = toInsideoutError(cause);
      if (error.retry !== 'backoff') return error;
      if (clock.now() - startedAt >= healthyAfterMs) delay = firstDelayMs;
      const jittered = Math.round(delay * (0.5 + clock.random() / 2));
      events.restarting(unit, error, jittered);
      await clock.sleep(jittered, signal);
      delay = Math.min(delay * 2, longestDelayMs);
    }
  }
  return null;
}

/** Without this, a unit that returns too early would look as if it were running. */
function endedByItself(unit: Unit): InsideoutError {
  return new InsideoutError('INTERNAL', `The ${unit.kind} "${unit.name}" ended, though nothing stopped it.`, {
    hint: 'This is a bug in insideout: please report it with the log of this process; starting it again is safe.',
  });
}
