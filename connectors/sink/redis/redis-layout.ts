import type { Columns } from '../../../core/column.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewShape } from '../../../core/view.ts';
import { shapeText } from '../store-errors.ts';
import type { RedisConnection } from './redis-connection.ts';
import { hashRows } from './redis-hashes.ts';
import type { Script } from './redis-scripts.ts';
import { stringRows } from './redis-strings.ts';

/** What a row is in Redis. */
export type Rows = 'string' | 'hash';

/** All that differs between rows that are strings and rows that are hashes. */
export interface RowLayout {
  /** Rows of a chunk, of which Lua takes at most about 8,000 values at once. */
  readonly maxRows: number;
  /** Applies a chunk whose rows an encoder has made. */
  readonly apply: Script;
  /** Removes those of the names whose rows have the mark. */
  readonly truncate: Script;
  /** What the rows of a partition are told by. */
  mark(partition: number): string;
  /** Turns a row of the partition into the text that `apply` takes. Throws what is wrong with a value. */
  encoder(partition: number): (row: Row) => string;
  /** The rows with these names, in their order, null where there is none. */
  read(redis: RedisConnection, names: readonly string[]): Promise<(Row | null)[]>;
}

const layouts: Readonly<Record<Rows, (columns: Columns) => RowLayout>> = {
  string: stringRows,
  hash: hashRows,
};

/** What a generation is remembered by, so that whoever opens it finds its rows in the layout they were written in. */
export const rememberedShape = (view: ViewShape, rows: Rows): string =>
  rows === 'string' ? shapeText(view) : `${rows}:${shapeText(view)}`;

/** The layout of a generation that is remembered by this shape; null when it is not one of this view's. */
export function layoutOf(view: ViewShape, shape: string): RowLayout | null {
  for (const rows of ['string', 'hash'] as const)
    if (shape === rememberedShape(view, rows)) return layouts[rows](view.columns);
  return null;
}
