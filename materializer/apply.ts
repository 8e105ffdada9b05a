import type { Claim, Generation } from '../connectors/sink/view-store.ts';
import type { InsideoutError } from '../core/errors.ts';
import { isInsideoutError } from '../core/errors.ts';
import type { ViewBatch, ViewChange } from '../core/view.ts';

/** A change that the store refuses for itself alone. */
export interface Refused {
  readonly change: ViewChange;
  readonly error: InsideoutError;
}

/**
 * Applies a batch; when the store refuses a record in it, halves the batch until that record stands alone, hands
 * it to `refused` (which must be durable when it resolves) and passes over it. Order is kept throughout.
 */
export async function applyAround(
  target: { generation: Generation; claim: Claim },
  batch: ViewBatch,
  refused: (refused: Refused) => Promise<void>,
): Promise<void> {
  try {
    await target.generation.apply(target.claim, batch);
  } catch (error) {
    if (!isInsideoutError(error, 'RECORD_UNSTORABLE')) throw error;
    const [change] = batch.changes;
    if (batch.changes.length <= 1) {
      if (!change) throw error;
      await refused({ change, error });
      await target.generation.apply(target.claim, { ...batch, changes: [] });
      return;
    }
    const middle = batch.changes.length >> 1;
    const border = batch.changes[middle]!.offset;
    await applyAround(target, { ...batch, next: border, changes: batch.changes.slice(0, middle) }, refused);
    await applyAround(target, { ...batch, from: border, changes: batch.changes.slice(middle) }, refused);
  }
}
