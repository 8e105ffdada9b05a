import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { Management } from '../daemon/management.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { settlePromotions } from '../materializer/generations/promote.ts';
import { config, globals } from './context.ts';
import { gateLines, plainReport } from './gate-report.ts';
import { report, reportInterrupted } from './output.ts';

interface Options {
  readonly force?: boolean;
  readonly generation?: string;
}

export function promoteCommand(): Command {
  return new Command('promote')
    .description('let readers see what was rebuilt, with every view of its epoch, if the gate finds it ready')
    .argument('<view>')
    .option('--generation <n>', 'this one, of those that follow (default: the one that is being built)')
    .option('--force', 'also if the gate does not find it ready; the history says so')
    .action(async (name: string, options: Options, command: Command) => {
      await move(command, { kind: 'promote', name, force: options.force === true }, (management) =>
        options.generation === undefined
          ? management.building(name)
          : management.following(name, numberOf(options.generation)),
      );
    });
}

export function rollbackCommand(): Command {
  return new Command('rollback')
    .description('let readers see again what the last promotion replaced; at once, and with all later writes')
    .argument('<view>')
    .option('--force', 'also if the former generation is behind')
    .action(async (name: string, options: Options, command: Command) => {
      await move(command, { kind: 'rollback', name, force: options.force === true }, (management) =>
        management.replaced(name),
      );
    });
}

async function move(
  command: Command,
  wish: { kind: 'promote' | 'rollback'; name: string; force: boolean },
  choose: (management: Management) => GenerationEntry[],
): Promise<void> {
  const { signal, dispose } = shutdownSignal();
  const management = await Management.open(await config(command));
  const { kind, force } = wish;
  try {
    await settlePromotions(management.catalog, management.stores.get);
    const entries = choose(management);
    const reports = await management.gate(entries, { force, waitMs: 0, signal }, kind === 'promote');
    const moves = await management.move(entries, { kind, reports, force });
    report(globals(command).json, { kind, gate: reports.map(plainReport), moves }, () =>
      [
        ...gateLines(reports),
        ...moves.map((m) => `${m.view}: readers see generation ${m.to} (was ${m.from ?? 'none'})`),
        ...(kind === 'promote' ? [`back: insideout rollback ${wish.name}`] : []),
      ].join('\n'),
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    reportInterrupted('`insideout history` says whether readers were moved.');
  } finally {
    await management.close();
    dispose();
  }
}

/** A generation's number from the command line. Errors: `USAGE`. */
export function numberOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InsideoutError('USAGE', `"${text}" is not the number of a generation.`, {
    hint: 'See `insideout generations`.',
  });
}
