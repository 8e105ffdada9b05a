import { Command } from 'commander';
import { createLogger } from '../daemon/logger.ts';
import { Management, type Staged } from '../daemon/management.ts';
import { buildHere } from '../daemon/rebuild.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import type { Move } from '../materializer/generations/events.ts';
import { type GateReport, refused } from '../materializer/generations/gate.ts';
import { config, globals } from './context.ts';
import { gateLines, plainReport } from './gate-report.ts';
import { report, reportInterrupted } from './output.ts';
import { buildProgress } from './rebuild-progress.ts';
import { findView } from './view.ts';

interface Options {
  readonly wait?: boolean;
  readonly promote?: boolean;
  readonly force?: boolean;
}

export function rebuildCommand(): Command {
  return new Command('rebuild')
    .description(
      'build a view anew from offset 0 beside the one that readers see, with every view that depends on it; goes on where an earlier call stopped',
    )
    .argument('<view>')
    .option(
      '--wait',
      'build in this process, together with running daemons, until it is ready to be promoted',
    )
    .option('--promote', 'promote it then (implies --wait)')
    .option('--force', 'promote it even if its contents are not what the gate expects')
    .action(async (name: string, options: Options, command: Command) => {
      const loaded = await config(command);
      const json = globals(command).json === true;
      findView(loaded, name);
      const { signal, dispose } = shutdownSignal();
      const started = Date.now();
      const management = await Management.open(loaded);
      try {
        const staged = await management.stage(name, signal);
        const built =
          options.wait || options.promote ? await build(management, staged, { options, json, signal }) : null;
        const answer = {
          epoch: staged.entries[0]!.epoch,
          resumed: staged.resumed,
          generations: staged.entries.map(({ view, generation, store }) => ({ view, generation, store })),
          givenUp: staged.givenUp.map(({ view, generation, store }) => ({ view, generation, store })),
          gate: built?.reports.map(plainReport) ?? null,
          promoted: built?.moves ?? null,
          seconds: (Date.now() - started) / 1000,
        };
        report(json, answer, () => human(name, { staged, built, seconds: answer.seconds }));
      } catch (error) {
        if (!signal.aborted) throw error;
        reportInterrupted('what is built so far is kept, and the same command goes on with it.');
      } finally {
        await management.close();
        dispose();
      }
    });
}

interface Built {
  readonly reports: readonly GateReport[];
  readonly moves: readonly Move[] | null;
}

async function build(
  management: Management,
  { entries }: Staged,
  parts: { options: Options; json: boolean; signal: AbortSignal },
): Promise<Built> {
  const { options, json, signal } = parts;
  const progress = buildProgress(entries, json);
  try {
    return await buildHere({
      management,
      entries,
      signal,
      logger: createLogger(process.env.LOG_LEVEL ?? 'warn'),
      ready: async (stop) => {
        const reports = await management.gate(entries, {
          force: options.force === true,
          waitMs: null,
          signal: stop,
          onProgress: progress.show,
          onCompare: progress.compare,
        });
        progress.stop();
        const force = options.force === true;
        if (!options.promote) {
          if (!reports.every((r) => r.passed)) throw refused(reports);
          return { reports, moves: null };
        }
        return { reports, moves: await management.move(entries, { kind: 'promote', reports, force }) };
      },
    });
  } finally {
    progress.stop();
  }
}

function human(name: string, parts: { staged: Staged; built: Built | null; seconds: number }): string {
  const { staged, built, seconds } = parts;
  const given = staged.givenUp.map((e) => `${e.view} g${e.generation}`).join(', ');
  const first = given === '' ? [] : [`given up, since it does not fit what is built now: ${given}`];
  const what = staged.entries.map((e) => `${e.view} g${e.generation}`).join(', ');
  if (!built)
    return [
      ...first,
      `${staged.resumed ? 'already staged' : 'staged'}: ${what}`,
      'Running daemons with this config build it; to build it here as well:',
      `  insideout rebuild ${name} --wait`,
      'Look on with `insideout generations`; switch readers over with:',
      `  insideout promote ${name}`,
    ].join('\n');
  const lines = [...first, ...gateLines(built.reports), ''];
  if (!built.moves)
    return [...lines, `ready after ${seconds.toFixed(1)} s: ${what}`, `next: insideout promote ${name}`].join(
      '\n',
    );
  return [
    ...lines,
    `promoted after ${seconds.toFixed(1)} s: ${what}`,
    'Daemons with this config follow it; those with the former config keep the former generation current for a rollback.',
    `back: insideout rollback ${name}`,
  ].join('\n');
}
