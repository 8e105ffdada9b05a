import type { CaseRun, Ceiling, Latency, Side } from '../cases/case.ts';
import { median } from '../measure/statistics.ts';

export interface Speed {
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakRssMb: number;
}

/** What `--json` prints: medians over the runs; the ratios are medians of those inside each run. */
export interface ResultObject {
  readonly case: string;
  readonly records: number;
  readonly ours: Speed;
  readonly ceiling: { readonly name: string; readonly recordsPerSecond: number } | null;
  readonly peer: (Speed & { readonly name: string }) | null;
  readonly ratioToCeiling: number | null;
  readonly ratioToPeer: number | null;
  readonly latencyMs: Latency | null;
}

export function resultObject(name: string, records: number, runs: readonly CaseRun[]): ResultObject {
  const slowest = slowestCeiling(runs);
  const peers = runs.flatMap((run) => run.peers.slice(0, 1));
  const latencies = runs.flatMap((run) => (run.ours.latencyMs ? [run.ours.latencyMs] : []));
  return {
    case: name,
    records,
    ours: speed(runs.map((run) => run.ours)),
    ceiling: slowest,
    peer: peers.length > 0 ? { name: peers[0]!.name, ...speed(peers) } : null,
    ratioToCeiling: slowest && ratioOf(runs, (run) => rateOf(run.ceilings, slowest.name)),
    ratioToPeer: ratioOf(runs, (run) => run.peers[0]?.measured.recordsPerSecond),
    latencyMs:
      latencies.length > 0
        ? { p50: median(latencies.map((l) => l.p50)), p99: median(latencies.map((l) => l.p99)) }
        : null,
  };
}

/** The chain is as slow as its slowest part: that is what the whole is held against. */
export function slowestCeiling(runs: readonly CaseRun[]): { name: string; recordsPerSecond: number } | null {
  const names = (runs[0]?.ceilings ?? []).filter((c) => c.compared !== false).map((c) => c.name);
  const medians = names.map((name) => ({
    name,
    recordsPerSecond: median(runs.map((run) => rateOf(run.ceilings, name) ?? Number.NaN)),
  }));
  return medians.sort((a, b) => a.recordsPerSecond - b.recordsPerSecond)[0] ?? null;
}

export function ratioOf(
  runs: readonly CaseRun[],
  other: (run: CaseRun) => number | undefined,
): number | null {
  const ratios = runs.flatMap((run) => {
    const rate = other(run);
    return rate === undefined ? [] : [run.ours.measured.recordsPerSecond / rate];
  });
  return ratios.length > 0 ? median(ratios) : null;
}

const rateOf = (ceilings: readonly Ceiling[], name: string): number | undefined =>
  ceilings.find((ceiling) => ceiling.name === name)?.recordsPerSecond;

function speed(sides: readonly Side[]): Speed {
  const of = (pick: (side: Side) => number) => median(sides.map(pick));
  return {
    recordsPerSecond: Math.round(of((s) => s.measured.recordsPerSecond)),
    cpuSecondsPerMillion: Number(of((s) => s.measured.cpuSecondsPerMillion).toFixed(2)),
    peakRssMb: Math.round(of((s) => s.measured.peakRssMb)),
  };
}
