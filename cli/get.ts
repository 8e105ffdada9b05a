import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { mustExist } from '../daemon/existing.ts';
import { readersOf } from '../daemon/readers.ts';
import { parseKey } from '../materializer/reading/reader.ts';
import { config, globals } from './context.ts';
import { exit, plain, report } from './output.ts';
import { findView } from './view.ts';

interface Options {
  readonly after?: string;
  readonly timeout: string;
}

export function getCommand(): Command {
  return new Command('get')
    .description('print a row of a view; exit code 1 when there is none')
    .argument('<view>')
    .argument('<key...>', 'the values of the key columns, in order')
    .option('--after <token>', 'wait until the view has what was committed before now; see `insideout token`')
    .option('--timeout <ms>', 'how long to wait for it', '5000')
    .action(async (name: string, words: string[], options: Options, command: Command) => {
      const loaded = await config(command);
      const { shape, store } = findView(loaded, name);
      const key = parseKey(shape, words);
      const timeoutMs = milliseconds(options.timeout);
      mustExist(loaded, store);
      const readers = readersOf(loaded);
      try {
        const row = await (await readers.view(name)).get(key, { after: options.after, timeoutMs });
        report(globals(command).json, row, () =>
          row === null ? `${name} has no row with this key` : JSON.stringify(row, plain, 2),
        );
        if (row === null) process.exitCode = exit.failed;
      } finally {
        await readers.close();
      }
    });
}

function milliseconds(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InsideoutError('USAGE', `"${text}" is not a number of milliseconds.`, {
    hint: 'Give a whole number, like 5000.',
  });
}
