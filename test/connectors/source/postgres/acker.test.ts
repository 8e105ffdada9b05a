import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Acker } from '../../../../connectors/source/postgres/acker.ts';

test('a transaction is confirmed up to the end of its commit record, once it is acknowledged', () => {
  const acker = new Acker(100n);
  acker.began();
  acker.committed(200n, true);
  expect(acker.confirmed).toBe(100n);
  acker.acknowledge(200n);
  expect(acker.confirmed).toBe(200n);
});

test('a keepalive confirms nothing while a record is outstanding', () => {
  const acker = new Acker(100n);
  acker.began();
  acker.committed(200n, true);
  acker.keepalive(300n);
  expect(acker.confirmed).toBe(100n);
  acker.acknowledge(200n);
  expect(acker.confirmed).toBe(300n);
});

test('a keepalive inside a transaction confirms nothing, for it may be past the commit', () => {
  const acker = new Acker(100n);
  acker.began();
  acker.keepalive(300n);
  expect(acker.confirmed).toBe(100n);
});

test('an idle slot moves with keepalives and with transactions that have no records', () => {
  const acker = new Acker(100n);
  acker.keepalive(150n);
  expect(acker.confirmed).toBe(150n);
  acker.began();
  acker.committed(200n, false);
  expect(acker.confirmed).toBe(200n);
});

test('a transaction without records behind an outstanding one does not hold the slot for ever', () => {
  const acker = new Acker(100n);
  acker.began();
  acker.committed(200n, true);
  acker.began();
  acker.committed(250n, false);
  expect(acker.confirmed).toBe(100n);
  acker.acknowledge(200n);
  expect(acker.confirmed).toBe(250n);
});

test('for any history the confirmed LSN never moves back and never passes a record that is not durable', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('commit' as const),
      gap: fc.bigInt({ min: 1n, max: 50n }),
      records: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('keepalive' as const),
      gap: fc.bigInt({ min: 0n, max: 50n }),
      records: fc.constant(false),
    }),
    fc.record({ kind: fc.constant('durable' as const), gap: fc.constant(0n), records: fc.constant(false) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const acker = new Acker(10n);
      const outstanding: bigint[] = [];
      let wal = 10n;
      let before = acker.confirmed;
      for (const { kind, gap, records } of steps) {
        wal += gap;
        if (kind === 'commit') {
          acker.began();
          acker.committed(wal, records);
          if (records) outstanding.push(wal);
        } else if (kind === 'keepalive') acker.keepalive(wal);
        else if (outstanding.length > 0) acker.acknowledge(outstanding.shift()!);
        expect(acker.confirmed).toBeGreaterThanOrEqual(before);
        if (outstanding.length > 0) expect(acker.confirmed).toBeLessThan(outstanding[0]!);
        before = acker.confirmed;
      }
    }),
  );
});
