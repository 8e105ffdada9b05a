import type { Value } from '../core/value.ts';
import type { Comparison, Difference } from '../materializer/generations/compare.ts';
import type { GateReport } from '../materializer/generations/gate.ts';
import { plain } from './output.ts';

const shownExamples = 5;

/** How the gate found each view, for people: figures, and of a difference a few keys. */
export function gateLines(reports: readonly GateReport[]): string[] {
  return reports.flatMap((report) => [
    `gate  ${report.passed ? 'passed' : 'REFUSED'}  ${report.view} g${report.generation}: ${headline(report)}`,
    ...(report.comparison ? differenceLines(report.comparison) : []).map((text) => `        ${text}`),
  ]);
}

function headline({ passed, missing, blue, lag, changed, comparison }: GateReport): string {
  if (!passed) return missing.join(', and ');
  if (blue === null) return 'readers see none yet';
  if (!comparison) return `${records(lag)} behind; contents were not compared with g${blue}`;
  const { rows, differences: d, undecided } = comparison;
  const motion = undecided > 0 ? `; ${undecided} were in motion` : '';
  if (d.onlyBlue + d.onlyGreen + d.changed === 0)
    return `${rows.green} rows, the same contents as g${blue}${motion}`;
  return `${rows.green} rows, other contents than g${blue}${changed ? ', as its definition is another' : ''}${motion}`;
}

function differenceLines({ differences: d, complete }: Comparison): string[] {
  const counts = { changed: d.changed, onlyGreen: d.onlyGreen, onlyBlue: d.onlyBlue };
  return (['changed', 'onlyGreen', 'onlyBlue'] as const).flatMap((kind) => {
    if (counts[kind] === 0) return [];
    const keys = d.examples.filter((e) => e.kind === kind).slice(0, shownExamples);
    const example = keys.length === 0 ? '' : `, such as ${keys.map(keyText).join(', ')}`;
    const columns = kind === 'changed' ? ` in ${columnsText(d.byColumn)}` : '';
    return [`${complete ? '' : 'at least '}${counts[kind]} ${words[kind]}${columns}${example}`];
  });
}

const words = { onlyBlue: 'rows fewer', onlyGreen: 'rows more', changed: 'rows differ' } as const;

const records = (n: number): string => (n === 1 ? '1 record' : `${n} records`);

const columnsText = (columns: Readonly<Record<string, number>>): string =>
  Object.entries(columns)
    .filter(([, n]) => n > 0)
    .map(([name, n]) => `${name} (${n})`)
    .join(', ') || 'no column';

function keyText({ key }: Difference): string {
  const parts = (key as readonly Value[]).map((value) =>
    typeof value === 'bigint' ? String(value) : JSON.stringify(value, plain),
  );
  return parts.length === 1 ? parts[0]! : `(${parts.join(', ')})`;
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
