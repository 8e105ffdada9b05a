import type { RedisConnection } from './redis-connection.ts';
import { patternOf } from './redis-names.ts';

const sliceSize = 2_000;

/**
 * The names that begin with `prefix`, in slices. SCAN walks the whole database and never blocks it for long.
 * A name that is there from beginning to end is seen at least once: https://redis.io/docs/latest/commands/scan/
 */
export async function* scanSlices(redis: RedisConnection, prefix: string): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const reply = await redis.send('SCAN', [cursor, 'MATCH', patternOf(prefix), 'COUNT', sliceSize]);
    const [next, names] = reply as [string, string[]];
    cursor = next;
    if (names.length > 0) yield names;
  } while (cursor !== '0');
}

/** The same, with every name once: SCAN repeats names while Redis shrinks its table. Remembers every name. */
export async function* scanOnce(redis: RedisConnection, prefix: string): AsyncGenerator<string[]> {
  const seen = new NameSet();
  for await (const names of scanSlices(redis, prefix)) {
    const fresh = names.filter((name) => seen.add(name.slice(prefix.length)));
    if (fresh.length > 0) yield fresh;
  }
}

/** JavaScript's sets end at 2^24 members; views do not. */
class NameSet {
  readonly #sets: Set<string>[] = [new Set()];

  /** False when the name was there already. */
  add(name: string): boolean {
    for (const set of this.#sets) if (set.has(name)) return false;
    let last = this.#sets.at(-1)!;
    if (last.size >= 16_000_000) {
      last = new Set();
      this.#sets.push(last);
    }
    last.add(name);
    return true;
  }
}
