import type { RecordBatch } from '../../log/log.ts';

/** What one application to a store takes at most; a single larger record goes alone. */
export const pieceLimits = { records: 5_000, bytes: 4 << 20 };

/** The same where another generation must not be held up: a store may be locked, and this thread busy, meanwhile. */
export const shortPieces = { records: 500, bytes: 1 << 20 };

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
