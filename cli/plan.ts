import { Command } from 'commander';
import { Management } from '../daemon/management.ts';
import type { PlannedView } from '../materializer/generations/plan.ts';
import { config, globals } from './context.ts';
import { report, table } from './output.ts';

export function planCommand(): Command {
  return new Command('plan')
    .description('compare the config with the generations that exist: what a rebuild would build')
    .action(async (_options: object, command: Command) => {
      const management = await Management.open(await config(command));
      try {
        const planned = await management.plan();
        report(globals(command).json, planned, () => human(planned));
      } finally {
        await management.close();
      }
    });
}

function human(planned: readonly PlannedView[]): string {
  if (planned.length === 0) return 'the config has no views';
  return table(
    ['VIEW', 'STANDING', 'ACTIVE', 'BUILDING', 'REBUILT WITH IT', 'NEXT'],
    planned.map((p) => [
      p.view,
      p.standing,
      p.active ?? '-',
      p.building === null ? '-' : `${p.building}${p.buildingFits ? '' : ' (other definition)'}`,
      p.dependents.join(', ') || '-',
      next(p),
    ]),
  );
}

function next(p: PlannedView): string {
  if (p.building !== null && p.buildingFits) return `insideout rebuild ${p.view} --promote (goes on)`;
  if (p.follows !== null) return `follows ${p.follows}`;
  switch (p.standing) {
    case 'unchanged':
      return '-';
    case 'changed':
    case 'unknown':
      return `insideout rebuild ${p.view} --promote`;
    case 'new':
      return 'built by the next `insideout up` or `view run`';
    case 'removed':
      return `insideout retire ${p.view} --force`;
  }
}
