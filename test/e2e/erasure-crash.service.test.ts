import fc from 'fast-check';
import { expect, test } from 'vitest';
import { History, histories } from './erasure-history.ts';
import { erasureProject, filesWith } from './erasure-project.ts';

const runs = Number(process.env.RUNS ?? 1);
const kills = Number(process.env.KILLS ?? 2);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`whatever is written, whoever is killed in whatever phase and whichever generations come and go, every erasure ends in one certificate, and no file has a value of an erased row (seed ${seed}, ${runs} runs, ${kills} kills)`, {
  timeout: 60_000 + runs * (kills + 1) * 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(histories(kills), async (steps) => {
      const project = await erasureProject();
      const history = await History.open(project, (values) =>
        expect(filesWith(project.folder, values)).toEqual([]),
      );
      await history.goThrough(steps);
      await history.close();
      await project.end();
    }),
    { numRuns: runs, seed, endOnFailure: true },
  );
});
