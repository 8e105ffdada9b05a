import type { CaseRun, Ceiling, Side } from '../cases/case.ts';
import { spread } from '../measure/statistics.ts';

const header = [
  'side',
  'records/s',
  'min - max',
  'ours : this',
  'CPU s/million',
  'peak MB',
  'first s',
  'all s',
  'p50 ms',
  'p99 ms',
];

/** The rows of a case's table, header first: medians over the runs. */
export function tableRows(runs: readonly CaseRun[]): string[][] {
  const rows = [header];
  const first = runs[0];
  if (!first) return rows;
  rows.push(sideRow(runs, (run) => run.ours));
  first.peers.forEach((_, i) => {
    rows.push(sideRow(runs, (run) => run.peers[i]!));
  });
  first.ceilings.forEach((_, i) => {
    rows.push(ceilingRow(runs, (run) => run.ceilings[i]!));
  });
  return rows;
}

/** For a terminal. */
export function resultTable(name: string, records: number, runs: readonly CaseRun[]): string {
  const rows = tableRows(runs);
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const title = `${name}: ${records.toLocaleString('en')} records, ${runs.length} run${runs.length > 1 ? 's' : ''}`;
  return `${[title, ...lines, ...notes(runs)].join('\n')}\n`;
}

export const notes = (runs: readonly CaseRun[]): string[] =>
  runs.flatMap((run, i) =>
    Object.entries(run.notes ?? {}).map(
      ([name, text]) => `${runs.length > 1 ? `run ${i + 1}, ` : ''}${name}: ${text}`,
    ),
  );

function sideRow(runs: readonly CaseRun[], side: (run: CaseRun) => Side): string[] {
  const { name } = side(runs[0]!);
  const over = (pick: (side: Side) => number | undefined, digits: number) => {
    const values = runs.flatMap((run) => pick(side(run)) ?? []);
    return values.length === 0 ? '' : spread(values).median.toFixed(digits);
  };
  return [
    name,
    ...rates(runs, (run) => side(run).measured.recordsPerSecond),
    over((s) => s.measured.cpuSecondsPerMillion, 1),
    over((s) => s.measured.peakRssMb, 0),
    over((s) => s.measured.firstSeconds, 2),
    over((s) => s.measured.totalSeconds, 2),
    over((s) => s.latencyMs?.p50, 1),
    over((s) => s.latencyMs?.p99, 1),
  ];
}

const ceilingRow = (runs: readonly CaseRun[], ceiling: (run: CaseRun) => Ceiling): string[] => [
  ceiling(runs[0]!).name,
  ...rates(runs, (run) => ceiling(run).recordsPerSecond),
  ...new Array<string>(6).fill(''),
];

function rates(runs: readonly CaseRun[], rate: (run: CaseRun) => number): string[] {
  const { median, min, max } = spread(runs.map(rate));
  const ratio = spread(runs.map((run) => run.ours.measured.recordsPerSecond / rate(run))).median;
  return [whole(median), `${whole(min)} - ${whole(max)}`, `${ratio.toFixed(2)} : 1`];
}

const whole = (number: number): string => Math.round(number).toLocaleString('en');
