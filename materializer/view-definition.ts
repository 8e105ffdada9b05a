import { createHash } from 'node:crypto';
import type { Columns, RowOf } from '../core/column.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Row } from '../core/value.ts';
import type { ViewShape } from '../core/view.ts';

/** Turns a source row into the view's columns, or into null when the row is not part of the view. */
export type RowFunction = (row: Row) => Row | null;

/** A view, checked: where its rows come from, what is stored of them, and where. */
export interface ViewDefinition {
  readonly shape: ViewShape;
  /** The topic that feeds it. */
  readonly from: string;
  /** Name of the store in the config. */
  readonly store: string;
  /** Source columns that the row function sees. */
  readonly reads: Columns;
  /** View key column to source key column. */
  readonly keyFrom: Readonly<Record<string, string>>;
  readonly row: RowFunction | null;
}

/** What `view()` takes. `Reads` are the source's columns, `Stored` the view's. */
export interface ViewOptions<Reads extends Columns, Stored extends Columns> {
  /** `[a-z_][a-z0-9_]*`, at most 40 characters; the SQL view, the Redis prefix, the Cassandra table. */
  readonly name: string;
  /** The topic: `<source>.<schema>.<table>`. */
  readonly from: string;
  readonly store: string;
  /** The columns that are stored, with their types. */
  readonly columns: Stored;
  /** The source's key columns; as a map, view column to source column, when they are renamed. */
  readonly key: readonly (keyof Stored & string)[] | Readonly<Partial<Record<keyof Stored & string, string>>>;
  /** The source columns that `row` sees. Default: `columns`. */
  readonly reads?: Reads;
  /**
   * Makes the stored columns of a source row; null leaves the row out (and deletes what an earlier version of it
   * put in). Pure: it is called again on every rebuild. Key columns are set for you. Default: columns of the
   * same name.
   */
  readonly row?: (row: RowOf<Reads>) => Partial<RowOf<Stored>> | null;
}

/**
 * Declares a view. The row function's types follow from `reads` and `columns`.
 * Errors: `CONFIG_INVALID` when the name or the key cannot be.
 */
export function view<const Stored extends Columns, const Reads extends Columns = Stored>(
  options: ViewOptions<Reads, Stored>,
): ViewDefinition {
  const { name, columns } = options;
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(name))
    throw invalid(
      `The view name "${name}" is not an identifier.`,
      'Use lower-case letters, digits and underscores, at most 40.',
    );
  const keyFrom: Record<string, string> = {};
  if (Array.isArray(options.key)) for (const column of options.key) keyFrom[column] = column;
  else Object.assign(keyFrom, options.key);
  const key = Object.keys(keyFrom);
  if (key.length === 0)
    throw invalid(`The view "${name}" has no key.`, "Give `key`: the source table's primary key columns.");
  for (const column of key)
    if (!(column in columns))
      throw invalid(
        `The key column "${column}" of the view "${name}" is not among its columns.`,
        'Add it to `columns`.',
      );
  for (const column of Object.keys(columns))
    if (column.startsWith('_') || !/^[A-Za-z][A-Za-z0-9_]*$/.test(column))
      throw invalid(
        `The column "${column}" of the view "${name}" is not an identifier.`,
        'Use letters, digits and underscores; begin with a letter.',
      );
  return {
    shape: { name, columns, key },
    from: options.from,
    store: options.store,
    reads: options.reads ?? (columns as Columns),
    keyFrom,
    row: (options.row as RowFunction | undefined) ?? null,
  };
}

/** A text that changes when what the view stores could: topic, columns, key, or the row function's code. */
export function fingerprint(definition: ViewDefinition): string {
  const { shape, from, reads, keyFrom, row } = definition;
  const parts = [
    shape.name,
    from,
    Object.entries(shape.columns),
    Object.entries(reads),
    Object.entries(keyFrom),
    row?.toString() ?? '',
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function invalid(message: string, hint: string): InsideoutError {
  return new InsideoutError('CONFIG_INVALID', message, { hint });
}
