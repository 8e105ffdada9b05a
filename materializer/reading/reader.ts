import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import type { ColumnType } from '../../core/column.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Row, Value } from '../../core/value.ts';
import type { Key, ViewShape } from '../../core/view.ts';

/** Reads the generation that is active. */
export interface Reader {
  get(key: Key): Promise<Row | null>;
  /** Every row once, all of the generation that was active when it began. */
  scan(): AsyncIterable<Row>;
}

/** How long the pointer is believed: so long may a read still see a generation after another was promoted. */
const pointerMs = 100;

/**
 * A reader of a view. A view that was never built reads as empty. Errors: those of the store, `VIEW_SHAPE` when
 * the active generation has other columns than the view declares.
 */
export function reader(store: ViewStore, view: ViewShape, now = () => performance.now()): Reader {
  let open: Generation | null = null;
  let until = Number.NEGATIVE_INFINITY;
  const current = async (): Promise<Generation | null> => {
    if (open && now() < until) return open;
    const at = now();
    const active = await store.active(view.name);
    if (open?.id !== active) open = active === null ? null : await store.open(view, active);
    until = at + pointerMs;
    return open;
  };
  return {
    get: async (key) => (await current())?.get(key) ?? null,
    async *scan() {
      const generation = await current();
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
      hint: `Give ${examples[type] ?? 'a value of this type'}.`,
    });
  switch (type) {
    case 'int':
    case 'bigint': {
      if (!/^-?\d{1,19}$/.test(word)) throw wrong();
      const value = BigInt(word);
      if (BigInt.asIntN(type === 'int' ? 32 : 64, value) !== value) throw wrong();
      return type === 'int' ? Number(value) : value;
    }
    case 'float':
      if (word.trim() === '' || (Number.isNaN(Number(word)) && word !== 'NaN')) throw wrong();
      return Number(word);
    case 'boolean':
      if (!/^(true|false|t|f)$/.test(word)) throw wrong();
      return word.startsWith('t');
    case 'bytes':
      if (!/^(\\x)?([0-9a-fA-F]{2})*$/.test(word)) throw wrong();
      return new Uint8Array(Buffer.from(word.replace(/^\\x/, ''), 'hex'));
    case 'array':
      throw wrong();
    default:
      // As Postgres prints it: 1.5 and 1.50 are two keys, as they are in the Log.
      return word;
  }
}

const examples: Readonly<Partial<Record<ColumnType, string>>> = {
  int: 'a whole number of 32 bits, like 42',
  bigint: 'a whole number of 64 bits, like 42',
  float: 'a number like 1.5, NaN or -Infinity',
  boolean: 'true or false',
  bytes: 'an even count of hexadecimal digits, like \\x0aff',
  array: 'the key in a program: an array cannot be given on the command line',
};
