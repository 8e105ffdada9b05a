import type { ViewStore } from '../connectors/sink/view-store.ts';
import type { ColumnType } from '../core/column.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Row, Value } from '../core/value.ts';
import type { Key, ViewShape } from '../core/view.ts';

/** Reads the generation that is active now. */
export interface Reader {
  get(key: Key): Promise<Row | null>;
  scan(): AsyncIterable<Row>;
}

/** A reader of a view; each call looks the active generation up. A view that was never built reads as empty. */
export function reader(store: ViewStore, view: ViewShape): Reader {
  const open = async () => {
    const active = await store.active(view.name);
    return active === null ? null : store.open(view, active);
  };
  return {
    get: async (key) => (await open())?.get(key) ?? null,
    async *scan() {
      const generation = await open();
      if (generation) yield* generation.scan();
    },
  };
}

/** Turns words from a command line into a view's key. Errors: `USAGE`. */
export function parseKey(view: ViewShape, words: readonly string[]): Key {
  if (words.length !== view.key.length)
    throw new InsideoutError(
      'USAGE',
      `The view "${view.name}" has the key (${view.key.join(', ')}), but ${words.length} values were given.`,
      {
        hint: `Give ${view.key.length === 1 ? 'one value' : `${view.key.length} values, separated by spaces`}.`,
      },
    );
  return view.key.map((name, i) => parseValue(words[i]!, view.columns[name]!, name));
}

function parseValue(word: string, type: ColumnType, name: string): Value {
  const wrong = () =>
    new InsideoutError('USAGE', `The key column "${name}" is ${type}, and "${word}" is not.`, {
      hint: `Give a value of type ${type}.`,
    });
  if (type === 'bigint' || type === 'int') {
    if (!/^-?\d+$/.test(word)) throw wrong();
    return type === 'int' ? Number(word) : BigInt(word);
  }
  if (type === 'float') {
    if (word === '' || (Number.isNaN(Number(word)) && word !== 'NaN')) throw wrong();
    return Number(word);
  }
  if (type === 'boolean') {
    if (!/^(true|false|t|f)$/.test(word)) throw wrong();
    return word.startsWith('t');
  }
  if (type === 'bytes') {
    if (!/^(\\x)?([0-9a-fA-F]{2})*$/.test(word)) throw wrong();
    return new Uint8Array(Buffer.from(word.replace(/^\\x/, ''), 'hex'));
  }
  return word;
}
