import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RecordBatch, StoredRecord } from '../../../log/log.ts';
import { pieces } from '../../../materializer/apply/pieces.ts';

const limits = { records: 3, bytes: 20 };

test('the pieces of a batch are its records in order, within the limits, and meet without a gap', () => {
  const record = fc.record({ gap: fc.nat(2), size: fc.nat(25) });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), fc.nat(3), (shape, tail) => {
      let offset = 10;
      const records = shape.map(({ gap, size }): StoredRecord => {
        offset += gap;
        return {
          offset: offset++,
          key: Buffer.alloc(1),
          value: Buffer.alloc(size),
          headers: {},
          timestamp: 0,
        };
      });
      const batch: RecordBatch = { topic: 't', partition: 1, records, next: offset + tail, end: offset + 99 };
      const cut = [...pieces(batch, limits)];
      expect(cut.flatMap((p) => p.records)).toEqual(records);
      expect(cut.at(-1)!.next).toBe(batch.next);
      for (const [i, piece] of cut.entries()) {
        expect(piece.records.length).toBeLessThanOrEqual(limits.records);
        const bytes = piece.records.reduce((sum, r) => sum + 1 + r.value!.length, 0);
        if (piece.records.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytes);
        if (i + 1 < cut.length) expect(piece.next).toBe(cut[i + 1]!.records[0]!.offset);
        for (const r of piece.records) expect(r.offset).toBeLessThan(piece.next);
      }
    }),
  );
});
