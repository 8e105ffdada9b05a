/**
 * A value on its way from a row to a view.
 *
 * Timestamps, dates, intervals and numerics stay text: JavaScript's Date drops microseconds and its numbers
 * drop digits. int8 is a bigint. `undefined` is never a value: an absent column is absent.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [field: string]: Value };

/** A row: column name to value. */
export type Row = Readonly<Record<string, Value>>;
