import type { Value } from './value.ts';

/**
 * The types a view's column can be declared with, and what a row function sees for each:
 *
 * | type | JavaScript |
 * | --- | --- |
 * | `text` | string: text, varchar, uuid, enum, inet, interval, range and any type unknown to us, as its text |
 * | `int` | number: int2, int4 |
 * | `bigint` | bigint: int8 |
 * | `float` | number: float4, float8, NaN and infinities included |
 * | `numeric` | string: every digit as Postgres prints it, `NaN` and `Infinity` included |
 * | `boolean` | boolean |
 * | `bytes` | Uint8Array: bytea |
 * | `timestamp` | string: date, time and timestamp types as Postgres prints them, microseconds and `infinity` included |
 * | `json` | string: the document's text, whose numbers keep their digits; parse it where you want it parsed |
 * | `array` | array of values, nested when the array has several dimensions |
 */
export const columnTypes = [
  'text',
  'int',
  'bigint',
  'float',
  'numeric',
  'boolean',
  'bytes',
  'timestamp',
  'json',
  'array',
] as const;
export type ColumnType = (typeof columnTypes)[number];

/** Column name to type, in the order in which stores lay the columns out. */
export type Columns = Readonly<Record<string, ColumnType>>;

type Scalar = {
  text: string;
  int: number;
  bigint: bigint;
  float: number;
  numeric: string;
  boolean: boolean;
  bytes: Uint8Array;
  timestamp: string;
  json: string;
  array: readonly Value[];
};

/** The row type that a set of declared columns stands for; every column may be null but those of `Never`. */
export type RowOf<C extends Columns, Never = never> = {
  readonly [K in keyof C]: K extends Never ? Scalar[C[K]] : Scalar[C[K]] | null;
};
