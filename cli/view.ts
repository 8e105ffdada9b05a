import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import { config, globals } from './context.ts';
import { runForeground } from './daemon.ts';

/** The view with this name. Errors: `VIEW_UNKNOWN`. */
export function findView(loaded: CheckedConfig, name: string): ViewDefinition {
  const found = loaded.views.find((v) => v.shape.name === name);
  if (found) return found;
  throw new InsideoutError('VIEW_UNKNOWN', `There is no view "${name}" in the config.`, {
    hint: `Known: ${loaded.views.map((v) => v.shape.name).join(', ') || 'none'}.`,
  });
}

export function viewCommand(): Command {
  const command = new Command('view').description('keep views up to date');
  command
    .command('run')
    .description(
      'follow the Log into the stores, until it is stopped; several processes share the partitions',
    )
    .argument('[names...]', 'views of the config (default: all)')
    .option('--http-port <port>', 'port of the probes and metrics; 0 for any, off for none')
    .action(async (names: string[], options: { httpPort?: string }, self: Command) => {
      const loaded = await config(self);
      const views = names.length === 0 ? loaded.views : names.map((name) => findView(loaded, name));
      await runForeground({ config: loaded, json: globals(self).json, sources: [], views, ...options });
    });
  return command;
}
