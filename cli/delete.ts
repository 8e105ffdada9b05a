import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import type { Erasures } from '../daemon/erasures.ts';
import type { GivenKey } from '../deletes/topic-key.ts';
import { config, globals } from './context.ts';
import { reportBegun, warn, whatIsLeft } from './erase.ts';
import { withErasures } from './with-erasures.ts';

interface Options {
  readonly jsonKey?: string;
  readonly wait?: boolean;
}

export function deleteCommand(): Command {
  return new Command('delete')
    .description(
      'delete a key from a topic that no source of the config writes, and with it from every view; then prove it',
    )
    .argument('<topic>')
    .argument('[key...]', "the values of the key, in the order of the topic's key schema")
    .option('--json-key <json>', 'the key as a JSON object instead, by the names of its columns')
    .option('--wait', 'until every place was read back and the certificate is signed')
    .action(async (topic: string, values: string[], options: Options, command: Command) => {
      const loaded = await config(command);
      const json = globals(command).json === true;
      const key = keyOf(values, options.jsonKey);
      const work = async (erasures: Erasures, signal: AbortSignal) => {
        const begun = await erasures.deleteKeys(topic, [key], signal);
        await warn(erasures, begun, signal);
        await reportBegun(erasures, begun, { wait: options.wait === true, json, signal });
      };
      await withErasures(loaded, work, whatIsLeft);
    });
}

function keyOf(values: readonly string[], json: string | undefined): GivenKey {
  if (json === undefined && values.length > 0) return values;
  if (json !== undefined && values.length === 0)
    try {
      const key: unknown = JSON.parse(json);
      if (typeof key === 'object' && key !== null && !Array.isArray(key)) return key as GivenKey;
    } catch {}
  throw new InsideoutError('USAGE', 'The key to delete is missing, given twice, or no JSON object.', {
    hint: 'Give its values behind the topic, or --json-key \'{"column": value}\'.',
  });
}
