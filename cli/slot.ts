import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { dropSourceSlot, sourceSlot } from '../daemon/wiring.ts';
import { chosenSource, config, globals } from './context.ts';
import { report } from './output.ts';

export function slotCommand(): Command {
  const command = new Command('slot').description('replication slots');
  command
    .command('drop')
    .description('drop the slot of a source; the changes after it are then never captured')
    .argument('[source]', 'source of the config (default: the only one)')
    .option('-y, --yes', 'do not ask')
    .action(async (name: string | undefined, options: { yes?: boolean }, self: Command) => {
      const loaded = await config(self);
      const source = chosenSource(loaded, name);
      const status = await sourceSlot(loaded, source);
      const slot = loaded.sources[source]?.slot;
      if (status.active)
        throw new InsideoutError('SOURCE_SLOT_IN_USE', `A process reads from the slot "${slot}".`, {
          hint: 'Stop that process (`insideout up` or `insideout source run`), then drop the slot.',
        });
      if (
        status.exists &&
        !options.yes &&
        !(await confirmed(`Drop the slot "${slot}"? Changes after it will be missing. [y/N] `))
      )
        throw new InsideoutError('USAGE', 'The slot was not dropped.', { hint: 'Answer y, or give --yes.' });
      const dropped = status.exists && (await dropSourceSlot(loaded, source));
      report(globals(self).json, { source, slot, dropped }, () =>
        dropped ? `dropped the slot "${slot}"` : `there is no slot "${slot}"`,
      );
    });
  return command;
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(question)).trim());
  } finally {
    lines.close();
  }
}
