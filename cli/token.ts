import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { sourceToken } from '../daemon/wiring.ts';
import { config, globals } from './context.ts';
import { report } from './output.ts';

export function tokenCommand(): Command {
  return new Command('token')
    .description('print a consistency token for `get --after`: the database as it is now')
    .argument('[source]', 'source of the config (default: the only one)')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const loaded = await config(command);
      const names = Object.keys(loaded.sources);
      const source = name ?? (names.length === 1 ? names[0] : undefined);
      if (source === undefined)
        throw new InsideoutError('USAGE', 'Which source is meant is not clear.', {
          hint: `Name one of: ${names.join(', ') || 'none is configured'}.`,
        });
      const token = await sourceToken(loaded, source);
      report(globals(command).json, { token }, () => token);
    });
}
