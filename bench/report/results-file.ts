import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { servers } from '../../stack/versions.ts';
import type { Case, CaseRun } from '../cases/case.ts';
import { median } from '../measure/statistics.ts';
import { type Bar, barPlot } from './plot.ts';
import { ratioOf, slowestCeiling } from './result-object.ts';
import { notes, tableRows } from './table.ts';

const heading = `# Results

Written by \`npm run bench -- <case> --write\`, a section for each case; a section is replaced when its case is measured again. Medians over the runs, with the least and the most beside them; "ours : this" is the median of the ratios inside each run, because the machine's speed changes from run to run. Rates and CPU time are from the first record to the last, starting up apart; memory is the most of the whole process.
`;

/** The text with the section of a case replaced, or added at the end. */
export function withSection(text: string, name: string, section: string): string {
  const sections = text.split(/^(?=## )/m);
  const [head, ...rest] = sections;
  const kept = rest.map((part) => part.trim());
  const at = kept.findIndex((part) => part.startsWith(`## ${name}\n`));
  if (at < 0) kept.push(section.trim());
  else kept[at] = section.trim();
  return `${[(head ?? '').trim(), ...kept].join('\n\n')}\n`;
}

/** Writes the section and the plot of a case. */
export function writeResults(
  folder: string,
  one: Case,
  parts: { records: number; runs: readonly CaseRun[] },
): void {
  const file = join(folder, 'RESULTS.md');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : heading;
  writeFileSync(file, withSection(text, one.name, sectionOf(one, parts)));
  mkdirSync(join(folder, 'plots'), { recursive: true });
  writeFileSync(
    join(folder, 'plots', `${one.name}.svg`),
    barPlot(`${one.name}, records a second`, bars(parts.runs)),
  );
}

function sectionOf(one: Case, { records, runs }: { records: number; runs: readonly CaseRun[] }): string {
  const [head, ...rows] = tableRows(runs).map((row) => `| ${row.join(' | ')} |`);
  const ruler = `|${' --- |'.repeat(tableRows(runs)[0]!.length)}`;
  const slowest = slowestCeiling(runs);
  const ratio =
    slowest && ratioOf(runs, (run) => run.ceilings.find((c) => c.name === slowest.name)?.recordsPerSecond);
  return [
    `## ${one.name}`,
    `${one.about[0]!.toUpperCase()}${one.about.slice(1)}. ${records.toLocaleString('en')} records, ${runs.length} run${runs.length > 1 ? 's' : ''}, ${new Date().toISOString().slice(0, 10)}; ${machine(one)}.`,
    [head, ruler, ...rows].join('\n'),
    ...(slowest
      ? [`Of its slowest part, ${slowest.name}, it reaches ${((ratio ?? 0) * 100).toFixed(0)}%.`]
      : []),
    ...notes(runs).map((note) => `- ${note}`),
    `![${one.name}](plots/${one.name}.svg)`,
  ].join('\n\n');
}

function machine(one: Case): string {
  const cores = cpus();
  const versions = one.servers.map((name) => `${name} ${servers[name].version}`);
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${cores.length} × ${cores[0]?.model.trim() ?? 'CPU'}`,
    `${memory} GB`,
    `Node ${process.versions.node}`,
    ...versions,
  ].join(', ');
}

function bars(runs: readonly CaseRun[]): Bar[] {
  const first = runs[0];
  if (!first) return [];
  const rate = (pick: (run: CaseRun) => number) => median(runs.map(pick));
  return [
    { name: first.ours.name, kind: 'ours', value: rate((r) => r.ours.measured.recordsPerSecond) },
    ...first.peers.map(
      ({ name }, i): Bar => ({
        name,
        kind: 'peer',
        value: rate((r) => r.peers[i]!.measured.recordsPerSecond),
      }),
    ),
    ...first.ceilings.map(
      ({ name }, i): Bar => ({ name, kind: 'ceiling', value: rate((r) => r.ceilings[i]!.recordsPerSecond) }),
    ),
  ];
}
