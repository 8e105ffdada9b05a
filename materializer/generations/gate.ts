import { setTimeout as wait } from 'node:timers/promises';
import type { Generation } from '../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset, PartitionKey } from '../../core/position.ts';
import type { GenerationId } from '../../core/view.ts';
import { endsOf } from '../../log/ends.ts';
import type { Log } from '../../log/log.ts';
import type { Catalog } from './catalog.ts';
import { entryOf, type GenerationEntry, isGoing } from './catalog-state.ts';
import { type Comparison, compareGenerations } from './compare.ts';
import type { GateFigures } from './events.ts';
import { type GenerationProgress, lagOf, progressOf, reached, type StoreOf } from './progress.ts';
import { readsWhatIsSeen } from './stage.ts';

export interface GateOptions {
  /** The generations that are to be promoted together, every one behind the one that feeds it. */
  readonly entries: readonly GenerationEntry[];
  readonly catalog: Catalog;
  /** Whether the contents are compared once the positions are well. */
  readonly compare: boolean;
  readonly log: Log;
  readonly store: StoreOf;
  /** Records that a generation may be behind the end of its input. */
  readonly maxLag: number;
  /** For how long it must not have been further behind, milliseconds. */
  readonly steadyMs: number;
  /** How long to wait for positions and lag, milliseconds; null for as long as it takes. */
  readonly waitMs: number | null;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ReadonlyMap<string, GenerationProgress>) => void;
  readonly onCompare?: (view: string, rows: number) => void;
}

/** What the gate found of one view: figures for the history, and the difference to show to the operator. */
export interface GateReport extends GateFigures {
  readonly generation: GenerationId;
  readonly blue: GenerationId | null;
  /** A difference is expected, because this view or one that feeds it was defined anew. */
  readonly changed: boolean;
  readonly comparison: Comparison | null;
}

const pollMs = 100;
const momentMs = 1_000;
/** Differences that are only shown, and refuse nothing, are not worth a long wait for rows in motion. */
const reportSettleMs = 1_000;

/**
 * Waits until every generation has kept its lag below the threshold for a while and has passed where its blue was
 * in every partition, then compares the contents. Nothing moves; whether it passed is in the reports.
 */
export async function passGate(options: GateOptions): Promise<GateReport[]> {
  const blues = await Promise.all(options.entries.map((entry) => blueOf(entry, options)));
  for (const entry of options.entries) checkFeed(entry, options);
  const missing = await settle(options, blues);
  for (const entry of options.entries) checkFeed(entry, options);
  const reports: GateReport[] = [];
  for (const [i, entry] of options.entries.entries())
    reports.push(await judge(entry, { blue: blues[i]!, missing: missing.get(entry.view)!, options }));
  if (!options.compare || reports.some((report) => !report.passed)) return reports;
  // While the contents were compared, blue went on: readers must not go back by that.
  const now = await settle(
    { ...options, steadyMs: 0, waitMs: options.waitMs === null ? null : momentMs },
    blues,
  );
  return reports.map((report) => {
    const late = now.get(report.view)!.missing;
    return { ...report, passed: late.length === 0, missing: [...report.missing, ...late] };
  });
}

/** The generation that readers see, and what is known of it. */
interface Blue {
  readonly id: GenerationId | null;
  readonly entry: GenerationEntry | null;
  readonly generation: Generation | null;
}

async function blueOf(green: GenerationEntry, { catalog, store }: GateOptions): Promise<Blue> {
  const opened = await store(green.store);
  const id = await opened.active(green.view);
  const entry = id === null ? null : entryOf(catalog.state, green.view, id);
  // One that this catalog does not know was built from other offsets, and cannot be compared with.
  return { id, entry, generation: entry && id !== null ? await opened.find(entry.shape, id) : null };
}

interface Behind {
  readonly lag: number;
  readonly missing: readonly string[];
}

/**
 * Until positions and lag are well for long enough, or the time is up: what is missing of each view. Where blue is
 * gets asked once the lags are small, and not again while they stay so: both follow the same busy input, each a
 * few records ahead of the other in turn, so a look at a single moment would tell nothing.
 */
async function settle(options: GateOptions, blues: readonly Blue[]): Promise<Map<string, Behind>> {
  const { waitMs, steadyMs, signal, onProgress } = options;
  const started = performance.now();
  let near: { readonly since: number; readonly targets: Targets } | null = null;
  for (;;) {
    const { behind, progress } = await look(options);
    onProgress?.(progress);
    const now = performance.now();
    const well = [...behind.values()].every((b) => b.missing.length === 0);
    near = well ? (near ?? { since: now, targets: new Map() }) : null;
    const short = near ? await shortOf(near.targets, progress, { options, blues }) : new Set<string>();
    if (near && short.size === 0 && now - near.since >= steadyMs) return behind;
    // What follows beside blue gets a moment to pass where blue is.
    if (waitMs !== null && now - started >= waitMs + steadyMs + momentMs) {
      if (!well) return behind;
      const why = (view: string) => {
        if (short.has(view)) return ['is not as far as the active generation'];
        return short.size > 0 ? [] : [`has not kept up for ${steadyMs} ms yet`];
      };
      return new Map([...behind].map(([view, b]) => [view, { ...b, missing: why(view) }]));
    }
    await wait(pollMs, undefined, { signal });
  }
}

async function look({ entries, catalog, log, store, maxLag }: GateOptions) {
  const behind = new Map<string, Behind>();
  const progress = new Map<string, GenerationProgress>();
  for (const entry of entries) {
    const now = entryOf(catalog.state, entry.view, entry.generation);
    if (now && isGoing(now)) throw retired(entry);
    const found = await progressOf(entry, log, store);
    progress.set(entry.view, found);
    const lag = lagOf(found);
    const missing: string[] = [];
    if (!found.exists) missing.push('no process has begun to build it');
    else if (lag === null) missing.push(`its input ${entry.input} does not exist yet`);
    else if (lag > maxLag) missing.push(`is ${lag} records behind, ${maxLag} are allowed`);
    behind.set(entry.view, { lag: lag ?? 0, missing });
  }
  return { behind, progress };
}

type Targets = Map<string, ReadonlyMap<PartitionKey, Offset>>;

/** The views that have not passed their targets. Each target is asked for once, as soon as it can be. */
async function shortOf(
  targets: Targets,
  progress: ReadonlyMap<string, GenerationProgress>,
  parts: { options: GateOptions; blues: readonly Blue[] },
): Promise<Set<string>> {
  const { options, blues } = parts;
  const short = new Set<string>();
  for (const [i, entry] of options.entries.entries()) {
    const { view, input } = entry;
    // What feeds it must have passed its own target, before the end of its topic says anything.
    const upstream = options.entries.find((e) => e.output === input);
    if (!upstream || !short.has(upstream.view)) {
      const target = targets.get(view) ?? (await targetsOf(entry, blues[i]!, options));
      targets.set(view, target);
      if (reached(entry, progress.get(view)!, target)) continue;
    }
    short.add(view);
  }
  return short;
}

/**
 * Where a generation must be: where its blue is when both read the same topic, else at its input's end. A blue that
 * is past the end has read what a restored Log no longer has: nobody can follow it there, and the contents tell.
 */
async function targetsOf(
  entry: GenerationEntry,
  blue: Blue,
  { entries, log }: GateOptions,
): Promise<ReadonlyMap<PartitionKey, Offset>> {
  if (entries.some((e) => e.output === entry.input)) return endsOf(log, [entry.input]);
  if (!blue.generation || blue.entry?.input !== entry.input) return new Map();
  const reached = await blue.generation.checkpoint();
  const ends = await endsOf(log, [entry.input]);
  return new Map([...reached].map(([key, next]) => [key, Math.min(next, ends.get(key) ?? 0)]));
}

async function judge(
  entry: GenerationEntry,
  parts: { blue: Blue; missing: Behind; options: GateOptions },
): Promise<GateReport> {
  const { blue, options } = parts;
  const changed = isChanged(entry, options);
  const missing = [...parts.missing.missing];
  let comparison: Comparison | null = null;
  if (
    options.compare &&
    blue.entry &&
    blue.generation &&
    sameKey(blue.entry, entry) &&
    missing.length === 0
  ) {
    const green = await (await options.store(entry.store)).find(entry.shape, entry.generation);
    if (!green) throw retired(entry);
    comparison = await compareGenerations(blue.generation, green, {
      columns: commonColumns(blue.entry, entry),
      ...(changed ? { settleMs: reportSettleMs } : {}),
      signal: options.signal,
      progress: (rows) => options.onCompare?.(entry.view, rows),
    });
  }
  const differing = comparison ? total(comparison) : null;
  if (differing && !changed)
    missing.push(
      `${differing} rows differ from the active generation, though the definition is the same${comparison?.caughtUp ? '' : '; one of the two stood still behind the other: see that daemons follow both, and try again'}`,
    );
  return {
    view: entry.view,
    generation: entry.generation,
    blue: blue.id,
    changed,
    comparison,
    passed: missing.length === 0,
    lag: parts.missing.lag,
    rows: comparison?.rows ?? null,
    differing,
    missing,
  };
}

export const total = ({ differences: d }: Comparison): number => d.onlyBlue + d.onlyGreen + d.changed;

const sameKey = (blue: GenerationEntry, green: GenerationEntry): boolean =>
  blue.shape.key.join() === green.shape.key.join() &&
  blue.shape.key.every((name) => blue.shape.columns[name] === green.shape.columns[name]);

const commonColumns = (blue: GenerationEntry, green: GenerationEntry): string[] =>
  Object.keys(green.shape.columns).filter((name) => blue.shape.columns[name] === green.shape.columns[name]);

/** A view is changed when its definition is, or that of a view in the same epoch that feeds it. */
function isChanged(entry: GenerationEntry, options: GateOptions): boolean {
  const active = options.catalog.state.generations.find((g) => g.view === entry.view && g.state === 'active');
  if (active?.fingerprint !== entry.fingerprint) return true;
  const upstream = options.entries.find((e) => e.output === entry.input);
  return upstream ? isChanged(upstream, options) : false;
}

/** What is fed by a generation that readers do not see would show another epoch than what feeds it. */
function checkFeed(entry: GenerationEntry, { entries, catalog }: GateOptions): void {
  if (readsWhatIsSeen(entry, entries, catalog.state)) return;
  const { view, generation, input } = entry;
  throw new InsideoutError(
    'CATALOG_CONFLICT',
    `Generation ${generation} of "${view}" is fed by ${input}, which is not what readers see.`,
    { hint: `Run \`insideout rebuild ${view}\` again: it is built anew from what readers see.` },
  );
}

const retired = ({ view, generation }: GenerationEntry): InsideoutError =>
  new InsideoutError('CATALOG_CONFLICT', `Generation ${generation} of "${view}" was retired meanwhile.`, {
    hint: 'Look at `insideout history`; rebuild the view again if it is still wanted.',
  });

/** What the gate says, when it did not pass. */
export function refused(reports: readonly GateReport[]): InsideoutError {
  const lines = reports
    .filter((r) => !r.passed)
    .map((r) => `generation ${r.generation} of "${r.view}" ${r.missing.join(', and ')}`);
  return new InsideoutError('VIEW_GATE', `Not promoted: ${lines.join('; ')}.`, {
    hint: 'Wait for it with --wait, look at `insideout generations`, or promote it as it is with --force.',
  });
}

/** The figures of a report that history keeps: no keys, no values. */
export const figures = (report: GateReport): GateFigures => ({
  view: report.view,
  passed: report.passed,
  lag: report.lag,
  rows: report.rows,
  differing: report.differing,
  missing: report.missing,
});
