import fc from 'fast-check';
import { test } from 'vitest';
import { temporaryFolder } from '../customers.ts';
import { goThrough, histories } from './histories.ts';

test(
  'after any history of writes, rebuilds, promotions, rollbacks and crashes every generation is what its definition makes of the source',
  async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    const folder = temporaryFolder();
    let runs = 0;
    try {
      await fc.assert(
        fc.asyncProperty(histories(6), async (steps) => {
          const run = `run${runs++}`;
          await goThrough(steps, {
            log: { kind: 'embedded', path: folder.path(`${run}.log.db`) },
            store: { kind: 'sqlite', path: folder.path(`${run}.views.db`) },
            namespace: 'insideout',
            topic: 'shop.public.customers',
            partitions: 2,
          });
        }),
        { numRuns: Number(process.env.RUNS ?? 4), seed, endOnFailure: true },
      );
    } finally {
      folder.remove();
    }
  },
  Number(process.env.LIMIT ?? 60_000),
);
