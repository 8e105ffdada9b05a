import type { ViewBatch } from '../../core/view.ts';
import type { RecordBatch } from '../../log/log.ts';

/** What one application to a store takes at most; a single larger record goes alone. */
export const pieceLimits = { records: 5_000, bytes: 4 << 20 };

/** Records that keep this thread busy for a millisecond or two; then whatever else it has to do gets its turn. */
export const turnEvery = 500;

/** Cuts what the Log delivered into what a store is given at once. The last piece ends where the batch ends. */
export function* pieces(batch: RecordBatch, limits = pieceLimits): Generator<RecordBatch> {
  const { records } = batch;
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (i > start && (i - start >= limits.records || bytes + size > limits.bytes)) {
      yield { ...batch, records: records.slice(start, i), next: record.offset };
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield start === 0 ? batch : { ...batch, records: records.slice(start) };
}

/** Cuts a batch of changes into batches of at most so many; null leaves it whole. */
export function* steps(batch: ViewBatch, most: number | null): Generator<ViewBatch> {
  const { changes } = batch;
  if (most === null || changes.length <= most) {
    yield batch;
    return;
  }
  let { from } = batch;
  for (let start = 0; start < changes.length; start += most) {
    const next = changes[start + most]?.offset ?? batch.next;
    yield { ...batch, from, next, changes: changes.slice(start, start + most) };
    from = next;
  }
}
