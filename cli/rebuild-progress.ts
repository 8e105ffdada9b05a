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
const lineEveryMs = 5_000;

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
      format: '{label} {bar} {percentage}% {value}/{total} records, {rate}/s, {eta_formatted} left',
      clearOnComplete: false,
      hideCursor: true,
      etaBuffer: 50,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  );
  const known = new Map<string, cliProgress.SingleBar>();
  const rates = new Rates();
  let stopped = false;
  return {
    show: (progress) => {
      for (const { label, done, total } of linesOf(entries, progress)) {
        const rate = rates.of(label, done);
        const bar = known.get(label) ?? multi.create(Math.max(total, 1), 0, { label, rate });
        known.set(label, bar);
        bar.setTotal(Math.max(total, 1));
        bar.update(total === 0 ? 1 : done, { label, rate });
      }
    },
    compare: (view, rows) => {
      multi.log(`comparing the contents of ${view}: ${rows} rows\n`);
    },
    stop: () => {
      if (!stopped) multi.stop();
      stopped = true;
    },
  };
}

function lines(entries: readonly GenerationEntry[]): BuildProgress {
  let last = 0;
  const rates = new Rates();
  return {
    show: (progress) => {
      if (Date.now() - last < lineEveryMs) return;
      last = Date.now();
      for (const { view, generation, input } of entries)
        if (progress.get(view)?.partitions.length === 0)
          process.stderr.write(`${view} g${generation}: waiting for the topic ${input}\n`);
      for (const { label, done, total } of linesOf(entries, progress)) {
        const rate = rates.of(label, done);
        const left = rate > 0 ? `, about ${Math.ceil((total - done) / rate)} s left` : '';
        process.stderr.write(`${label}: ${done} of ${total} records, ${rate}/s${left}\n`);
      }
    },
    compare: () => {},
    stop: () => {},
  };
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

/** Records a second since it was asked first. */
class Rates {
  readonly #first = new Map<string, { at: number; done: number }>();

  of(label: string, done: number): number {
    const now = performance.now();
    const first = this.#first.get(label) ?? { at: now, done };
    this.#first.set(label, first);
    const seconds = (now - first.at) / 1000;
    return seconds < 0.1 ? 0 : Math.round((done - first.done) / seconds);
  }
}
