import { setImmediate as turn } from 'node:timers/promises';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';

let views = 0;
/** A view that no other test has, with columns of several types. */
export const freshView = (): ViewShape => ({
  name: `c${process.pid.toString(36)}${Date.now().toString(36)}_${views++}`,
  columns: { id: 'int', a: 'text', f: 'float', l: 'array' },
  key: ['id'],
});

/** Puts the rows into an empty generation, whose checkpoint of partition 0 of the topic `t` is then `next`. */
export async function fill(generation: Generation, rows: readonly Row[], next = 10_000): Promise<Generation> {
  const claim = await generation.claim('t', 0);
  const changes = rows.map((row, offset): ViewChange => ({ op: 'upsert', offset, key: [row.id!], row }));
  await generation.apply(claim, { topic: 't', partition: 0, from: 0, next, changes });
  return generation;
}

/**
 * Applies the same changes of partition 1 to both, in batches of their own and with one side some batches behind:
 * new rows, rows written over and deleted, and a few keys in every batch.
 */
export async function keepMoving(blue: Generation, green: Generation, keys: number) {
  const claims = [await blue.claim('t', 1), await green.claim('t', 1)] as const;
  const log: ViewChange[] = [];
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const extend = () => {
    for (let i = 0; i < 40; i++) {
      const offset = log.length;
      const id = i < 5 ? i : random(keys * 1.2);
      if (i >= 5 && random(5) === 0) log.push({ op: 'delete', offset, key: [id] });
      else
        log.push({
          op: 'upsert',
          offset,
          key: [id],
          row: { id, a: `v${offset}`, f: offset / 2, l: [offset] },
        });
    }
  };
  const next: [number, number] = [0, 0];
  const advance = async (side: 0 | 1, to: number) => {
    const from = next[side];
    if (to <= from) return;
    const batch = { topic: 't', partition: 1, from, next: to, changes: log.slice(from, to) };
    await [blue, green][side]!.apply(claims[side], batch);
    next[side] = to;
  };
  let stopped = false;
  let batches = 0;
  const running = (async () => {
    while (!stopped) {
      extend();
      batches++;
      // Now the one is ahead, now the other.
      const ahead = Math.floor(batches / 10) % 2 === 0 ? 0 : 1;
      await advance(ahead, log.length);
      await advance(ahead === 0 ? 1 : 0, Math.max(0, log.length - random(200)));
      await turn();
    }
    await advance(0, log.length);
    await advance(1, log.length);
  })();
  return {
    batches: () => batches,
    async stop() {
      stopped = true;
      await running;
    },
  };
}
