import { Command } from 'commander';
import { sourceToken } from '../daemon/wiring.ts';
import { chosenSource, config, globals } from './context.ts';
import { report } from './output.ts';

export function tokenCommand(): Command {
  return new Command('token')
    .description('print a consistency token for `get --after`: the database as it is now')
    .argument('[source]', 'source of the config (default: the only one)')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const loaded = await config(command);
      const source = chosenSource(loaded, name);
      const token = await sourceToken(loaded, source);
      report(globals(command).json, { token }, () => token);
    });
}
