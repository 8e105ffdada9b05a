import { setTimeout as wait } from 'node:timers/promises';
import type { Latency } from '../cases/case.ts';
import type { SingleRows } from '../workload/single-rows.ts';
import { percentile } from './statistics.ts';

export interface ViewLag {
  /** Of the transactions that were visible since the call before: from the confirmed commit to visible. */
  take(): Latency;
  /** Resolves when as many transactions are visible as were begun. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

const pollMs = 1;

/**
 * Looks every millisecond at how many records a view has applied. The first `n` transactions count as visible when
 * it has applied `n` records more than in the beginning: partitions are applied side by side, so single ones may
 * be visible a little before or after that, never all of them.
 */
export function viewLag(load: SingleRows, applied: () => Promise<number>, base: number): ViewLag {
  let stopped = false;
  let lags: number[] = [];
  let visible = 0;
  const looking = (async () => {
    while (!stopped) {
      const now = (await applied()) - base;
      const at = performance.now();
      // What was not confirmed yet when it was seen took no time.
      for (; visible < now; visible++) lags.push(Math.max(0, at - (load.committed[visible] || at)));
      await wait(pollMs);
    }
  })();
  return {
    take() {
      const taken = lags;
      lags = [];
      return { p50: percentile(taken, 0.5), p99: percentile(taken, 0.99) };
    },
    async settled() {
      while (visible < load.begun()) await Promise.race([looking, wait(20)]);
    },
    async stop() {
      stopped = true;
      await looking;
    },
  };
}
