import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cases } from './cases/all.ts';
import { runCase } from './cases/run-case.ts';
import { type KeptRatio, regressions } from './report/kept-ratios.ts';
import { resultObject } from './report/result-object.ts';

/** Small enough to take a few minutes, large enough that starting up does not matter. */
const records = 300_000;
const quickCases = ['source-snapshot', 'source-catchup', 'log-embedded', 'sink-sqlite', 'sink-redis'];
const file = new URL('quick.json', import.meta.url);

/** Noise makes a case look worse now and then, and not three times in a row. */
const again = 2;

interface QuickOptions {
  readonly keep: boolean;
  readonly runs: number;
  readonly build: boolean;
  say(what: string): void;
}

/**
 * Measures some cases beside their bare loops and compares the ratios with those that were kept: they move less
 * than rates from one machine to another. What looks worse is measured again, up to three times in all. Returns what
 * became slower or larger. With `keep` the ratios are kept instead.
 */
export async function quick(options: QuickOptions): Promise<string[]> {
  if (!options.keep && !existsSync(file)) throw new Error('no ratios were kept yet; keep them with --keep');
  const kept = options.keep ? {} : (JSON.parse(readFileSync(file, 'utf8')) as Record<string, KeptRatio>);
  const now: Record<string, KeptRatio> = {};
  const found: string[] = [];
  for (const [i, name] of quickCases.entries()) {
    let worse: string[] = [];
    for (let time = 0; time <= again; time++) {
      const ratio = await measure(name, { ...options, build: options.build && i === 0 && time === 0 });
      if (!ratio) break;
      now[name] = ratio;
      worse = regressions(kept, { [name]: ratio });
      if (worse.length === 0) break;
      for (const sentence of worse) options.say(sentence);
    }
    found.push(...worse);
  }
  if (options.keep) writeFileSync(file, `${JSON.stringify(now, null, 2)}\n`);
  return found;
}

async function measure(name: string, { runs: times, build, say }: QuickOptions): Promise<KeptRatio | null> {
  const runs = await runCase(cases.get(name)!, {
    records,
    runs: times,
    build,
    peer: false,
    profile: null,
    say: (what) => say(`${name}: ${what}`),
  });
  const { ratioToCeiling, ceiling, ours } = resultObject(name, records, runs);
  if (ratioToCeiling === null || !ceiling) return null;
  return { ceiling: ceiling.name, ratio: Number(ratioToCeiling.toFixed(3)), peakRssMb: ours.peakRssMb };
}
