import cliProgress from 'cli-progress';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import type { GenerationProgress, PartitionProgress } from '../materializer/generations/progress.ts';

export interface BuildProgress {
  show(progress: ReadonlyMap<string, GenerationProgress>): void;
  compare(view: string, rows: number): void;
  stop(): void;
}

/** More bars than this are more than a screen takes: then each view has one for all of its partitions. */
const maxBars = 16;
const firstPauseMs = 1_000;
const lastPauseMs = 30_000;

/** Bars with rate and time left on a terminal; elsewhere a line on stderr every few seconds. */
export function buildProgress(entries: readonly GenerationEntry[], json: boolean): BuildProgress {
  if (json) return { show: () => {}, compare: () => {}, stop: () => {} };
  return process.stderr.isTTY ? bars(entries) : lines(entries);
}

interface Line {
  readonly label: string;
  readonly done: number;
  readonly total: number;
}

function bars(entries: readonly GenerationEntry[]): BuildProgress {
  const multi = new cliProgress.MultiBar(
    {
      format: '{label} {bar} {percentage}% {done} of {all} records{rest}',
      clearOnComplete: false,
      hideCursor: true,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  );
  const known = new Map<string, cliProgress.SingleBar>();
  const rates = new Rates();
  let stopped = false;
  // Of the longest, with the number of a partition behind it.
  const width = Math.max(...entries.map((e) => `${e.view} g${e.generation} [000]`.length));
  return {
    show: (progress) => {
      for (const { label, done, total } of linesOf(entries, progress)) {
        const told = {
          label: label.padEnd(width),
          done,
          all: total,
          rest: rateText(rates.of(label, done), total - done),
        };
        const bar = known.get(label) ?? multi.create(Math.max(total, 1), 0, told);
        known.set(label, bar);
        bar.setTotal(Math.max(total, 1));
        bar.update(total === 0 ? 1 : done, told);
      }
    },
    compare: (view, rows) => {
      const name = `compare ${view}`;
      const bar =
        known.get(name) ??
        multi.create(1, 0, {}, { format: `${view}: comparing the contents, {rows} rows read` });
      known.set(name, bar);
      bar.update(0, { rows });
    },
    stop: () => {
      if (!stopped) multi.stop();
      stopped = true;
    },
  };
}

function lines(entries: readonly GenerationEntry[]): BuildProgress {
  const began = performance.now();
  let last: number | null = null;
  const rates = new Rates();
  const compared = new Set<string>();
  const say = (text: string) => process.stderr.write(`${text}\n`);
  return {
    show: (progress) => {
      const now = performance.now();
      // Often at first, seldom in a build of hours.
      const pause = Math.min(Math.max((now - began) / 2, firstPauseMs), lastPauseMs);
      if (last !== null && now - last < pause) return;
      last = now;
      for (const { view, generation, input } of entries) {
        const partitions = progress.get(view)?.partitions ?? [];
        const { done, total, label } = line(`${view} g${generation}`, partitions);
        if (partitions.length === 0) say(`${label}: waits for its input, the topic ${input}`);
        else say(`${label}: ${done} of ${total} records${rateText(rates.of(label, done), total - done)}`);
      }
    },
    compare: (view) => {
      if (!compared.has(view)) say(`${view}: comparing its contents with what readers see`);
      compared.add(view);
    },
    stop: () => {},
  };
}

function rateText(rate: number, left: number): string {
  if (left === 0) return ', caught up';
  return rate === 0 ? '' : `, ${rate}/s, ${Math.ceil(left / rate)} s left`;
}

function linesOf(
  entries: readonly GenerationEntry[],
  progress: ReadonlyMap<string, GenerationProgress>,
): Line[] {
  const all = entries.flatMap((e) => (progress.get(e.view)?.partitions ?? []).map((p) => ({ e, p })));
  if (all.length <= maxBars)
    return all.map(({ e, p }) => line(`${e.view} g${e.generation} [${p.partition}]`, [p]));
  return entries.map((e) => line(`${e.view} g${e.generation}`, progress.get(e.view)?.partitions ?? []));
}

const line = (label: string, partitions: readonly PartitionProgress[]): Line => ({
  label,
  done: partitions.reduce((sum, p) => sum + p.next, 0),
  total: partitions.reduce((sum, p) => sum + Math.max(p.end, p.next), 0),
});

const rateWindowMs = 5_000;

/** Records a second, over the last seconds. */
class Rates {
  readonly #samples = new Map<string, { at: number; done: number }[]>();

  of(label: string, done: number): number {
    const now = performance.now();
    const samples = this.#samples.get(label) ?? [];
    samples.push({ at: now, done });
    while (samples.length > 2 && now - samples[1]!.at >= rateWindowMs) samples.shift();
    this.#samples.set(label, samples);
    const first = samples[0]!;
    const seconds = (now - first.at) / 1000;
    return seconds < 0.1 ? 0 : Math.round((done - first.done) / seconds);
  }
}
