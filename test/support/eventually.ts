import { setTimeout as wait } from 'node:timers/promises';

/** Polls until `probe` gives something other than null, undefined or false; fails after `seconds` with `what`. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  seconds = 60,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`did not happen within ${seconds} s: ${what}`);
    await wait(10);
  }
}
