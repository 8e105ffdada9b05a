import type { InsideoutError } from '../../core/errors.ts';
import { isInsideoutError } from '../../core/errors.ts';
import type { ViewBatch, ViewChange } from '../../core/view.ts';

/** A change that the store refuses for itself alone. */
export interface Refused {
  readonly change: ViewChange;
  readonly error: InsideoutError;
}

/**
 * Applies a batch; when the store refuses a record in it, halves the batch until that record stands alone, hands
 * it to `refused` (which must be durable when it resolves) and passes over it. Order is kept throughout. `apply`
 * is expected to wait for a store that is down by itself, so that nothing is tried again that worked.
 */
export async function applyAround(
  apply: (batch: ViewBatch) => Promise<void>,
  batch: ViewBatch,
  refused: (refused: Refused) => Promise<void>,
): Promise<void> {
  try {
    await apply(batch);
  } catch (error) {
    if (!isInsideoutError(error, 'RECORD_UNSTORABLE')) throw error;
    const [change] = batch.changes;
    if (batch.changes.length <= 1) {
      if (!change) throw error;
      await refused({ change, error });
      await apply({ ...batch, changes: [] });
      return;
    }
    const middle = batch.changes.length >> 1;
    const border = batch.changes[middle]!.offset;
    await applyAround(apply, { ...batch, next: border, changes: batch.changes.slice(0, middle) }, refused);
    await applyAround(apply, { ...batch, from: border, changes: batch.changes.slice(middle) }, refused);
  }
}
