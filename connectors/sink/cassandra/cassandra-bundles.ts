import type { Value } from '../../../core/value.ts';
import type { RowChange } from './cassandra-plan.ts';

/** What travels in one request at most. */
export interface BundleLimits {
  readonly rows: number;
  /** As a node counts it. */
  readonly bytes: number;
}

/**
 * A node warns of a batch over ten partitions (`unlogged_batch_across_partitions_warn_threshold`) and of one over 5 KiB
 * (`batch_size_warn_threshold`), if nobody has told it otherwise; these stay below both.
 */
export const belowWarnings: BundleLimits = { rows: 10, bytes: 4_800 };

/** What a node counts for a row, and for each of its values beside the value: times of writing, expiry and deletion. */
const rowBytes = 24;
const cellBytes = 16;

/** Rows in groups that travel in one request. A row that is large by itself goes alone. */
export function* bundles(
  rows: readonly RowChange[],
  limits: BundleLimits = belowWarnings,
): Generator<RowChange[]> {
  let bundle: RowChange[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (bundle.length > 0 && (bundle.length >= limits.rows || bytes + size > limits.bytes)) {
      yield bundle;
      bundle = [];
      bytes = 0;
    }
    bundle.push(row);
    bytes += size;
  }
  if (bundle.length > 0) yield bundle;
}

function sizeOf(change: RowChange): number {
  let size = rowBytes;
  if (change.op === 'delete') for (const value of change.key) size += cellBytes + bytesOf(value);
  else for (const name in change.row) size += cellBytes + bytesOf(change.row[name]!);
  return size;
}

function bytesOf(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, member: Value) => sum + bytesOf(member) + 8, 8);
  return 8;
}
