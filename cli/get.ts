import { Command } from 'commander';
import { openExistingStore } from '../daemon/existing.ts';
import { parseKey, reader } from '../materializer/reading/reader.ts';
import { config, globals } from './context.ts';
import { exit, plain, report } from './output.ts';
import { findView } from './view.ts';

export function getCommand(): Command {
  return new Command('get')
    .description('print a row of a view; exit code 1 when there is none')
    .argument('<view>')
    .argument('<key...>', 'the values of the key columns, in order')
    .action(async (name: string, words: string[], _options: object, command: Command) => {
      const loaded = await config(command);
      const { shape, store: storeName } = findView(loaded, name);
      const key = parseKey(shape, words);
      const store = await openExistingStore(loaded, storeName);
      try {
        const row = await reader(store, shape).get(key);
        report(globals(command).json, row, () =>
          row === null ? `${name} has no row with this key` : JSON.stringify(row, plain, 2),
        );
        if (row === null) process.exitCode = exit.failed;
      } finally {
        await store.close();
      }
    });
}
