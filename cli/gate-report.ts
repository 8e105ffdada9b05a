import type { GateReport } from '../materializer/generations/gate.ts';
import { plain } from './output.ts';

/** How the gate found each view, for people: figures, and of a difference a few keys. */
export function gateLines(reports: readonly GateReport[]): string[] {
  return reports.flatMap((r) => {
    const head = `${r.passed ? 'pass' : 'FAIL'}  ${r.view} g${r.generation}`;
    const against = r.blue === null ? 'nothing to compare with' : `against g${r.blue}`;
    if (!r.passed && !r.comparison) return [`${head}: ${r.missing.join(', and ')}`];
    if (!r.comparison) return [`${head}: ${r.lag} records behind, ${against}`];
    const { rows, differences: d, undecided } = r.comparison;
    const same = d.onlyBlue + d.onlyGreen + d.changed === 0;
    const found = same
      ? `same contents (${rows.green} rows${undecided > 0 ? `, ${undecided} in motion` : ''})`
      : `${d.onlyGreen} rows more, ${d.onlyBlue} rows fewer, ${d.changed} rows differ${byColumn(d.byColumn)}`;
    const expected = same || !r.changed ? '' : ' (the definition has changed)';
    return [
      `${head}: ${found} ${against}${expected}`,
      ...(r.passed ? [] : [`      ${r.missing.join(', and ')}`]),
      ...d.examples.map(
        (e) =>
          `      ${kinds[e.kind]} ${JSON.stringify(e.key, plain)}${e.columns.length > 0 ? `: ${e.columns.join(', ')}` : ''}`,
      ),
    ];
  });
}

const kinds = { onlyBlue: 'gone   ', onlyGreen: 'new    ', changed: 'differs' } as const;

function byColumn(columns: Readonly<Record<string, number>>): string {
  const parts = Object.entries(columns).filter(([, n]) => n > 0);
  return parts.length === 0 ? '' : ` (${parts.map(([name, n]) => `${name} in ${n}`).join(', ')})`;
}

/** The same for machines. */
export const plainReport = (r: GateReport) => ({
  view: r.view,
  generation: r.generation,
  blue: r.blue,
  changed: r.changed,
  passed: r.passed,
  missing: r.missing,
  lag: r.lag,
  comparison: r.comparison,
});
