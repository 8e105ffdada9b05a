import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';

/** Whoever waits for the store looks every millisecond, so this is long enough for one of them. */
const pauseMs = 2;

/**
 * Steps of work that holds up others: one at a time, over all partitions of a generation, with a pause behind each
 * in which the store and this thread belong to whoever else wants them.
 */
export class Stepping {
  #free: Promise<void> = Promise.resolve();

  /** Resolves when the step is done, and rejects with what it throws; the pause is the next one's. */
  run(work: () => Promise<void>): Promise<void> {
    const step = this.#free.then(work);
    this.#free = step.then(rest, rest);
    return step;
  }
}

/** A timer alone may be due at once, when the step was longer than the pause, and then nobody else had a turn. */
const rest = async (): Promise<void> => {
  await turn();
  await wait(pauseMs);
};
