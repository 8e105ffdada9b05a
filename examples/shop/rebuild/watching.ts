import { once } from 'node:events';
import { end, program } from '../children.ts';
import { count } from '../perform.ts';
import type { Seen } from './reader.ts';

export interface Watching {
  /** What the reader saw since it was last asked. Rejects when that is not as promised. */
  told(switches?: number): Promise<string>;
  /** All that it has told so far. */
  total(): string;
  close(): Promise<void>;
}

/** Starts the reader as a process of its own. */
export function startReader(file: string): Watching {
  const child = program('rebuild/reader.ts', [file]);
  let all: Seen = { queries: 0, errors: 0, empty: 0, mixed: 0, longestMs: 0, switchesMs: [] };
  return {
    told: async (switches = 0) => {
      child.send('tell');
      const [seen] = (await once(child, 'message')) as [Seen];
      all = {
        queries: all.queries + seen.queries,
        errors: all.errors + seen.errors,
        empty: all.empty + seen.empty,
        mixed: all.mixed + seen.mixed,
        longestMs: Math.max(all.longestMs, seen.longestMs),
        switchesMs: [...all.switchesMs, ...seen.switchesMs],
      };
      if (seen.errors + seen.empty + seen.mixed > 0 || seen.switchesMs.length !== switches)
        throw new Error(`the reader saw what it must not: ${sentence(seen)}`);
      return sentence(seen);
    },
    total: () => `in all, the reader saw ${sentence(all)}`,
    close: () => end(child, 'SIGTERM'),
  };
}

function sentence({ queries, errors, empty, mixed, longestMs, switchesMs }: Seen): string {
  const times = switchesMs.map((ms) => `${ms.toFixed(1)} ms`).join(', ');
  return [
    `${count(queries)} answers: ${errors} errors, ${empty} empty, ${mixed} of mixed generations; the slowest ${longestMs.toFixed(1)} ms`,
    ...(switchesMs.length > 0 ? [`from the last old to the first new answer ${times}`] : []),
  ].join('; ');
}
