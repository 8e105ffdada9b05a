import { createHash } from 'node:crypto';
import type { Columns, RowOf } from '../core/column.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Row } from '../core/value.ts';
import type { Ttl, ViewShape } from '../core/view.ts';
import type { ViewEffect } from './apply/effects.ts';

/** Turns a source row into the view's columns, or into null when the row is not part of the view. */
export type RowFunction = (row: Row) => Row | null;

/** What feeds a view: a topic, by its name, or another view. */
export type ViewInput = string | { readonly view: string };

/** A view, checked: where its rows come from, what is stored of them, and where. */
export interface ViewDefinition {
  readonly shape: ViewShape;
  readonly from: ViewInput;
  /** Name of the store in the config. */
  readonly store: string;
  /** How the store is told to lay out its rows; empty for its usual way. */
  readonly layout: string;
  /** Source columns that the row function sees. */
  readonly reads: Columns;
  /** View key column to source key column. */
  readonly keyFrom: Readonly<Record<string, string>>;
  readonly row: RowFunction | null;
  /** Whether its generations write a view topic; views that others read do. */
  readonly published: boolean;
  readonly effects: Effects | null;
  /** Part of the fingerprint, for changes that the row function's own text does not show. */
  readonly version: string;
}

/** What a view tells the outside of its changes. */
export interface Effects {
  /** Where to begin when they are run for the first time: with what comes from now on, or with all there is. */
  readonly from: 'now' | 'start';
  readonly run: (changes: readonly ViewEffect[]) => void | Promise<void>;
}

/** The key of a view: names of its columns, or view column to source column. */
type KeyOf<Stored extends Columns> =
  | readonly (keyof Stored & string)[]
  | Readonly<Partial<Record<keyof Stored & string, string>>>;

/** What a type names one by one; nothing when it may be any text. */
type Named<T> = T extends string ? (string extends T ? never : T) : never;

/** A list of unknown length is not known to have all that it could. */
type Listed<K extends readonly unknown[]> = number extends K['length'] ? never : Named<K[number]>;

/** What `row` sees: `reads`, or without it the view's own columns. Of either the key is never null. */
type Seen<Reads extends Columns | null, Stored extends Columns, K> = Reads extends Columns
  ? RowOf<Reads, K extends readonly unknown[] ? Listed<K> : Named<K[keyof K]>>
  : RowOf<Stored, K extends readonly unknown[] ? Listed<K> : keyof K>;

/** What `view()` takes. `Reads` are the source's columns, null when `reads` is left out; `Stored` the view's. */
export interface ViewOptions<
  Reads extends Columns | null,
  Stored extends Columns,
  K extends KeyOf<Stored> = KeyOf<Stored>,
> {
  /** `[a-z_][a-z0-9_]*`, at most 40 characters; the SQL view, the Redis prefix, the Cassandra table. */
  readonly name: string;
  /** The topic: `<source>.<schema>.<table>`; or `{ view: 'name' }`, to be fed by another view. */
  readonly from: ViewInput;
  readonly store: string;
  /** The columns that are stored, with their types. */
  readonly columns: Stored;
  /** The source's key columns; as a map, view column to source column, when they are renamed. */
  readonly key: K;
  /** The source columns that `row` sees. Default: `columns`. */
  readonly reads?: Reads & Columns;
  /**
   * Makes the stored columns of a source row; null leaves the row out (and deletes what an earlier version of it
   * put in). Pure: it is called again on every rebuild. Key columns are set for you, and never null in what
   * `row` sees. Default: columns of the same name.
   */
  readonly row?: (row: Seen<Reads, Stored, K>) => Partial<RowOf<Stored>> | null;
  /** Writes the view to the Log as well, for others to read. Default: when another view of the config reads it. */
  readonly publish?: boolean;
  /**
   * A row ends so many milliseconds after the time in `column`, a timestamp column of the view, however often it
   * is rebuilt: null or infinity never, a time without an offset counts as UTC. Views that read this one have
   * their own.
   */
  readonly ttl?: { readonly column: keyof Stored & string; readonly ms: number };
  /**
   * Called with the view's changes after readers can see them, to call a webhook or write to a topic for others:
   * each at least once, in the order of each key. What a rebuild goes through again is not told again. Only for
   * views that a topic feeds. `from`: begin with what comes from now on (default), or with all there is.
   */
  readonly effects?: {
    readonly from?: 'now' | 'start';
    readonly run: (changes: readonly ViewEffect[]) => void | Promise<void>;
  };
  /** Change it when `row` calls code that has changed: a view's own text is compared, not what it imports. */
  readonly version?: string | number;
}

/** A view as declared in a config, not yet checked. */
export interface ViewDeclaration {
  readonly name: string;
  readonly from: ViewInput;
  readonly store: string;
  readonly columns: Columns;
  readonly key: readonly string[] | Readonly<Record<string, string>>;
  readonly reads?: Columns | undefined;
  readonly row?: RowFunction | undefined;
  readonly publish?: boolean | undefined;
  readonly ttl?: Ttl | undefined;
  readonly effects?:
    | { readonly from?: 'now' | 'start' | undefined; readonly run: Effects['run'] }
    | undefined;
  readonly version?: string | number | undefined;
}

/** Declares a view. The row function's types follow from `reads` and `columns`. Checks nothing: the config does. */
export function view<
  const Stored extends Columns,
  const K extends KeyOf<Stored>,
  const Reads extends Columns | null = null,
>(options: ViewOptions<Reads, Stored, K>): ViewDeclaration {
  return options as unknown as ViewDeclaration;
}

/** What is wrong with a declaration, as path within it and sentence; empty when nothing is. */
export function viewProblems(declared: ViewDeclaration): { path: string[]; message: string }[] {
  const problems: { path: string[]; message: string }[] = [];
  const say = (path: string[], message: string) => problems.push({ path, message });
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(declared.name))
    say(
      ['name'],
      `"${declared.name}" is not an identifier: use lower-case letters, digits and underscores, at most 40`,
    );
  const keys = Object.keys(keyMap(declared));
  if (keys.length === 0) say(['key'], "is empty: give the source table's primary key columns");
  for (const column of keys)
    if (!(column in declared.columns))
      say(['key'], `"${column}" is not among the view's columns: add it to columns`);
  if (!declared.row && declared.reads)
    for (const [column, type] of Object.entries(declared.columns))
      if (!keys.includes(column) && declared.reads[column] !== type)
        say(
          ['reads'],
          `has no "${column}" of type ${type}: add it, leave reads out, or make the column with row`,
        );
  if (declared.effects && typeof declared.from !== 'string')
    say(
      ['effects'],
      'belong to a view that a topic feeds: the offsets of a view topic are those of one generation',
    );
  if (declared.ttl) {
    const { column, ms } = declared.ttl;
    const type = Object.hasOwn(declared.columns, column) ? declared.columns[column] : undefined;
    if (type !== 'timestamp')
      say(
        ['ttl', 'column'],
        type === undefined
          ? `"${column}" is not among the view's columns: add it to columns`
          : `"${column}" is ${type}: name a column of type timestamp`,
      );
    if (!Number.isSafeInteger(ms) || ms < 1)
      say(['ttl', 'ms'], 'must be a whole number of milliseconds, at least 1');
  }
  for (const column of Object.keys(declared.columns))
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(column))
      say(
        ['columns', column],
        'is not an identifier: use letters, digits and underscores, and begin with a letter',
      );
  return problems;
}

/** The checked form, for a store that lays rows out in this way. Errors: `CONFIG_INVALID`, with every problem. */
export function defineView(declared: ViewDeclaration, layout = ''): ViewDefinition {
  const problems = viewProblems(declared);
  if (problems.length > 0)
    throw new InsideoutError(
      'CONFIG_INVALID',
      problems.map((p) => `${p.path.join('.')}: ${p.message}`).join('; '),
      {
        hint: `Correct the view "${declared.name}".`,
      },
    );
  const keyFrom = keyMap(declared);
  return {
    shape: {
      name: declared.name,
      columns: declared.columns,
      key: Object.keys(keyFrom),
      ...(declared.ttl ? { ttl: { column: declared.ttl.column, ms: declared.ttl.ms } } : {}),
    },
    from: declared.from,
    store: declared.store,
    layout,
    reads: declared.reads ?? declared.columns,
    keyFrom,
    row: declared.row ?? null,
    published: declared.publish ?? false,
    effects: declared.effects ? { from: declared.effects.from ?? 'now', run: declared.effects.run } : null,
    version: String(declared.version ?? ''),
  };
}

/** View key column to source key column. */
export function keyMap({ key }: ViewDeclaration): Record<string, string> {
  return Array.isArray(key)
    ? Object.fromEntries(key.map((name) => [name, name]))
    : { ...(key as Record<string, string>) };
}

/**
 * A text that changes when what the view stores could, where, or how: input, store and its layout, columns, key, ttl,
 * version, or the row function's code.
 */
export function fingerprint(definition: ViewDefinition): string {
  const { shape, from, store, layout, reads, keyFrom, row, published, version } = definition;
  const parts = [
    shape.name,
    from,
    store,
    Object.entries(shape.columns),
    Object.entries(reads),
    Object.entries(keyFrom),
    row?.toString() ?? '',
    published,
    version,
    ...(shape.ttl ? [[shape.ttl.column, shape.ttl.ms]] : []),
    ...(layout ? [layout] : []),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
