import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { config, globals } from './context.ts';
import { runForeground } from './daemon.ts';

export function sourceCommand(): Command {
  const command = new Command('source').description('capture a database');
  command
    .command('run')
    .description('read the snapshot if there is none yet, then follow the changes, until it is stopped')
    .argument('[name]', 'source of the config (default: all)')
    .option('--http-port <port>', 'port of the probes and metrics; 0 for any, off for none')
    .option('--resnapshot', 'after a lost slot: take a new one and read every table again')
    .action(
      async (
        name: string | undefined,
        options: { httpPort?: string; resnapshot?: boolean },
        self: Command,
      ) => {
        const loaded = await config(self);
        const names = Object.keys(loaded.sources);
        if (name !== undefined && !names.includes(name))
          throw new InsideoutError('USAGE', `There is no source "${name}" in the config.`, {
            hint: `Known: ${names.join(', ') || 'none'}.`,
          });
        await runForeground({
          config: loaded,
          json: globals(self).json,
          sources: name === undefined ? names : [name],
          views: [],
          ...options,
        });
      },
    );
  return command;
}
