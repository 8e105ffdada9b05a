import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cases } from './cases/all.ts';
import { runCase } from './cases/run-case.ts';
import { type KeptRatio, regressions } from './report/kept-ratios.ts';
import { resultObject } from './report/result-object.ts';

/** Small enough to take a few minutes, large enough that starting up does not matter. */
const records = 300_000;
const quickCases = ['source-snapshot', 'source-catchup', 'log-embedded', 'sink-sqlite', 'sink-redis'];
const file = new URL('quick.json', import.meta.url);

/**
 * Measures some cases beside their bare loops and compares the ratios with those that were kept: they move less
 * than rates from one machine to another. Returns what became slower. With `keep` they are kept instead.
 */
export async function quick(options: {
  keep: boolean;
  runs: number;
  build: boolean;
  say(what: string): void;
}): Promise<string[]> {
  const now: Record<string, KeptRatio> = {};
  for (const [i, name] of quickCases.entries()) {
    const say = (what: string) => options.say(`${name}: ${what}`);
    const build = options.build && i === 0;
    const { runs: times } = options;
    const runs = await runCase(cases.get(name)!, {
      records,
      runs: times,
      build,
      peer: false,
      profile: null,
      say,
    });
    const { ratioToCeiling, ceiling, ours } = resultObject(name, records, runs);
    if (ratioToCeiling === null || !ceiling) continue;
    now[name] = {
      ceiling: ceiling.name,
      ratio: Number(ratioToCeiling.toFixed(3)),
      peakRssMb: ours.peakRssMb,
    };
  }
  if (options.keep) {
    writeFileSync(file, `${JSON.stringify(now, null, 2)}\n`);
    return [];
  }
  if (!existsSync(file)) throw new Error('no ratios were kept yet; keep them with --keep');
  return regressions(JSON.parse(readFileSync(file, 'utf8')) as Record<string, KeptRatio>, now);
}
