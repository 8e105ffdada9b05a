import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import type { Token } from '../../connectors/source/token.ts';
import type { ColumnType } from '../../core/column.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Row, Value } from '../../core/value.ts';
import type { Key, ViewShape } from '../../core/view.ts';
import { ActiveGeneration } from './active-generation.ts';

export interface ReadOptions {
  /**
   * What `consistencyToken` gave to the writer: the read sees everything that was committed before it began, the
   * writer's rows among it. Hand the token on, and begin to read, once the writer's transaction is committed.
   */
  readonly after?: Token | undefined;
  /** How long the view may take to get there, milliseconds. Default 5,000. Without `after` it has no meaning. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the generation that is active; for a tenth of a second after another was promoted it may still be the one
 * before. Errors: those of the store, `VIEW_SHAPE` when the active generation has other columns than the view
 * declares; with `after` also `READ_TIMEOUT`, which tells how far behind the view is, `SOURCE_…`, `LOG_…` and,
 * for a token of another source, `USAGE`.
 */
export interface Reader {
  /** A view that was never built reads as empty. */
  get(key: Key, options?: ReadOptions): Promise<Row | null>;
  /** The rows of the keys in their order, null where there is none, all of one generation. */
  getMany(keys: readonly Key[], options?: ReadOptions): Promise<(Row | null)[]>;
  /**
   * Every row once, all of the generation that was active when it began. `VIEW_GENERATION_GONE` when that was
   * removed before the end: what was given until then is not all of it.
   */
  scan(options?: ReadOptions): AsyncIterable<Row>;
  close(): Promise<void>;
}

/** How a reader waits for a token: resolves with a generation that has got there, one that `active` names. */
export type Await = (
  active: () => Promise<Generation | null>,
  options: { after: Token; timeoutMs: number; signal?: AbortSignal | undefined },
) => Promise<Generation>;

const defaultTimeoutMs = 5_000;

/** A reader of a view. Without `until` it cannot wait for tokens (`USAGE`). `close` leaves the store open. */
export function reader(
  store: ViewStore,
  view: ViewShape,
  options: { until?: Await; now?: () => number; close?: () => Promise<void> } = {},
): Reader {
  const active = new ActiveGeneration(store, view, options.now);
  const current = () => active.current();

  const generationFor = ({ after, timeoutMs = defaultTimeoutMs, signal }: ReadOptions) => {
    if (after === undefined) return current();
    if (!options.until) throw cannotWait(view);
    return options.until(current, { after, timeoutMs, signal });
  };
  const read = async <T>(
    asked: ReadOptions,
    work: (generation: Generation) => Promise<T>,
  ): Promise<T | null> => {
    for (let again = true; ; again = false) {
      const generation = await generationFor(asked);
      if (!generation) return null;
      try {
        return await work(generation);
      } catch (error) {
        const cause = await active.explain(generation, error);
        if (cause.code !== 'VIEW_GENERATION_GONE' || !again) throw cause;
        active.forget();
      }
    }
  };

  return {
    get: (key, asked = {}) => read(asked, (generation) => generation.get(key)),
    getMany: async (keys, asked = {}) =>
      (await read(asked, (generation) => generation.getMany(keys))) ?? keys.map(() => null),
    async *scan(asked = {}) {
      const generation = await generationFor(asked);
      if (!generation) return;
      try {
        yield* generation.scan();
      } catch (error) {
        throw await active.explain(generation, error);
      }
      // Redis gives no error for rows that went while they were read.
      await active.mustExist(generation);
    },
    close: async () => options.close?.(),
  };
}

function cannotWait(view: ViewShape): InsideoutError {
  return new InsideoutError(
    'USAGE',
    `This reader of the view "${view.name}" cannot wait for a consistency token.`,
    {
      hint: 'Open the reader with the source that feeds the view.',
    },
  );
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
