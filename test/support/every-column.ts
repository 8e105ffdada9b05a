import type { Columns } from '../../core/column.ts';

/** A column of each type; `id` is the key. */
export const everyColumn: Columns = {
  id: 'bigint',
  te: 'text',
  i: 'int',
  f: 'float',
  n: 'numeric',
  bo: 'boolean',
  by: 'bytes',
  ts: 'timestamp',
  js: 'json',
  ar: 'array',
};
