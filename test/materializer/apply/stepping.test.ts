import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Stepping } from '../../../materializer/apply/stepping.ts';

test('steps come one at a time, in order and with time for others between, also after one that failed', async () => {
  const stepping = new Stepping();
  const seen: string[] = [];
  let busy = false;
  const step = (name: string) => async () => {
    expect(busy).toBe(false);
    busy = true;
    await wait(1);
    busy = false;
    seen.push(name);
    // Others have a turn of a timer before the next step.
    setTimeout(() => seen.push(`others after ${name}`), 1);
    if (name === 'b') throw new Error(name);
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => stepping.run(step(name))));
  expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(seen).toEqual(['a', 'others after a', 'b', 'others after b', 'c']);
});
