import { setTimeout as wait } from 'node:timers/promises';
import { isAlive } from '../../stack/processes.ts';
import { treeUsage, type Usage } from './process-tree.ts';

/** What one side of a case did. */
export interface Measured {
  /** From the first record that was seen to the last: starting up is told apart. */
  readonly recordsPerSecond: number;
  /** Of the process and its children, over the same time. */
  readonly cpuSecondsPerMillion: number;
  /** Over its whole life. */
  readonly peakRssMb: number;
  /** From the start of the process to the first record. */
  readonly firstSeconds: number;
  /** From the start of the process to the last record. */
  readonly totalSeconds: number;
}

export interface CountOptions {
  readonly pid: number;
  /** `performance.now()` when the process was started. */
  readonly startedAt: number;
  /** The file with what it prints. */
  readonly log: string;
  /** How many there are by now; asked again and again. */
  count(): Promise<number>;
  /** What `count` says before the first. Default 0. */
  readonly base?: number;
  /** How many more there must be in the end. */
  readonly target: number;
  /** What this many of the counted things are called a record; 1.1 where a delete makes two. Default 1. */
  readonly perRecord?: number;
  readonly timeoutMs?: number;
  /** How often it is asked. Default 25 ms. */
  readonly pollMs?: number | undefined;
}

/** Looks on until the target is reached. Throws when the process ends before, or time runs out. */
export async function countUntil(options: CountOptions): Promise<Measured> {
  const { pid, startedAt, target, base = 0, perRecord = 1, timeoutMs = 900_000, pollMs = 25 } = options;
  let first: Sample | null = null;
  for (;;) {
    const counted = (await options.count()) - base;
    const at = performance.now();
    // Looking through all processes takes milliseconds of the machine that is measured: only when it is needed.
    if (counted >= target || (counted > 0 && !first)) {
      const usage = treeUsage(pid);
      if (usage) first ??= { at, counted, usage };
      if (usage && first && counted >= target)
        return between(first, { at, counted, usage }, { startedAt, perRecord });
    }
    if (!isAlive(pid)) throw new Error(`the process ended after ${counted} of ${target}; see ${options.log}`);
    if (at - startedAt > timeoutMs)
      throw new Error(`only ${counted} of ${target} in time; see ${options.log}`);
    await wait(pollMs);
  }
}

interface Sample {
  readonly at: number;
  readonly counted: number;
  readonly usage: Usage;
}

/** Rates between two looks. When all came within one look, from the start of the process. */
export function between(
  first: Sample,
  last: Sample,
  parts: { startedAt: number; perRecord: number },
): Measured {
  const { startedAt, perRecord } = parts;
  const seen = last.counted > first.counted;
  const records = (seen ? last.counted - first.counted : last.counted) / perRecord;
  const seconds = (last.at - (seen ? first.at : startedAt)) / 1000;
  const cpu = last.usage.cpuSeconds - (seen ? first.usage.cpuSeconds : 0);
  return {
    recordsPerSecond: records / seconds,
    cpuSecondsPerMillion: (cpu / records) * 1e6,
    peakRssMb: last.usage.peakRssMb,
    firstSeconds: (first.at - startedAt) / 1000,
    totalSeconds: (last.at - startedAt) / 1000,
  };
}
