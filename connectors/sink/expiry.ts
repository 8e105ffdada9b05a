import { type EndOf, endOf } from '../../core/lifetime.ts';
import type { Row } from '../../core/value.ts';
import type { ViewShape } from '../../core/view.ts';
import { unstorable } from './store-errors.ts';

/** How the rows of a view with a `ttl` end. */
export interface Expiry {
  /** Milliseconds since 1970, null when it never ends. Errors: `RECORD_UNSTORABLE`. */
  readonly end: EndOf;
  /** True when a row that ends then has ended. */
  ended(end: number | null): boolean;
  now(): number;
}

/** Null when the view has no `ttl`. */
export function expiryOf(view: ViewShape, now: () => number = Date.now): Expiry | null {
  const end = endOf(view);
  if (!end) return null;
  return {
    end: (row: Row) => {
      try {
        return end(row);
      } catch {
        throw unstorable();
      }
    },
    ended: (at) => at !== null && at <= now(),
    now,
  };
}
