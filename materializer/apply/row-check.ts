import type { ColumnType } from '../../core/column.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Row, Value } from '../../core/value.ts';
import type { ViewShape } from '../../core/view.ts';

/** What a row function made, with exactly the stored columns, each of its declared type. */
export function checkRow(made: unknown, stored: readonly string[], view: ViewShape): Record<string, Value> {
  if (typeof made !== 'object' || made === null)
    throw unconvertible(
      `The row function of the view "${view.name}" gave no row.`,
      'Return an object, or null to leave the row out.',
    );
  if (typeof (made as { then?: unknown }).then === 'function') {
    // Nobody waits for it, and a rejection that nobody handles ends the process.
    Promise.resolve(made).catch(() => {});
    throw unconvertible(
      `The row function of the view "${view.name}" gave a promise.`,
      'Make it a plain function: what it makes may only depend on the row.',
    );
  }
  const row: Record<string, Value> = {};
  for (const name of stored) {
    const value = (made as Row)[name] ?? null;
    const type = view.columns[name]!;
    if (value !== null && !fits[type](value))
      throw unconvertible(
        `The row function of the view "${view.name}" gave "${name}" a value that is not ${type}.`,
        `Return ${wanted[type] ?? 'a string'}, or declare "${name}" with another type.`,
      );
    row[name] = value;
  }
  return row;
}

/** The thrown text may hold values of the row, so only its kind is passed on. */
export function rowFunctionThrew(view: string, error: unknown): InsideoutError {
  const kind = error instanceof Error ? error.constructor.name : typeof error;
  return unconvertible(
    `The row function of the view "${view}" threw an error (${kind}).`,
    'Make the row function handle this row; `insideout dlq show` prints where it is.',
  );
}

const isString = (value: Value): boolean => typeof value === 'string';

const fits: Readonly<Record<ColumnType, (value: Value) => boolean>> = {
  text: isString,
  // Zero has one form as an integer: a store would forget the sign.
  int: (value) => typeof value === 'number' && (value | 0) === value && !Object.is(value, -0),
  bigint: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  float: (value) => typeof value === 'number',
  numeric: isString,
  boolean: (value) => typeof value === 'boolean',
  bytes: (value) => value instanceof Uint8Array,
  timestamp: isString,
  json: isString,
  array: (value) => Array.isArray(value),
};

const wanted: Readonly<Partial<Record<ColumnType, string>>> = {
  int: 'an integer number of 32 bits',
  bigint: 'a bigint of 64 bits',
  float: 'a number',
  boolean: 'a boolean',
  bytes: 'a Uint8Array',
  array: 'an array',
};

function unconvertible(message: string, hint: string): InsideoutError {
  return new InsideoutError('RECORD_UNCONVERTIBLE', message, { hint });
}
