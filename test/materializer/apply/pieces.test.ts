import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RecordBatch, StoredRecord } from '../../../log/log.ts';
import { pieces, steps } from '../../../materializer/apply/pieces.ts';

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

test('the steps of a batch are its changes in order, of at most so many, and meet without a gap', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(2), { maxLength: 20 }),
      fc.option(fc.integer({ min: 1, max: 7 })),
      (gaps, most) => {
        let offset = 10;
        const changes = gaps.map((gap) => {
          offset += gap;
          return { op: 'delete' as const, offset: offset++, key: [1n] };
        });
        const batch = { topic: 't', partition: 1, from: 5, next: offset + 3, changes };
        const cut = [...steps(batch, most)];
        expect(cut.flatMap((s) => s.changes)).toEqual(changes);
        expect(cut[0]!.from).toBe(batch.from);
        expect(cut.at(-1)!.next).toBe(batch.next);
        expect(cut.length).toBe(most === null ? 1 : Math.max(1, Math.ceil(changes.length / most)));
        for (const [i, step] of cut.entries()) {
          expect(step.changes.length).toBeLessThanOrEqual(most ?? changes.length);
          if (i + 1 < cut.length) expect(step.next).toBe(cut[i + 1]!.from);
          for (const change of step.changes)
            expect(change.offset < step.next && change.offset >= step.from).toBe(true);
        }
      },
    ),
  );
});
