import { expect, test } from 'vitest';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { ViewChange, ViewShape } from '../../core/view.ts';
import { eventually } from '../support/eventually.ts';

/** A store that can be taken away. */
export interface Outage {
  readonly store: ViewStore;
  /** Rows of a batch that is under way for long enough. */
  readonly rows: number;
  /** Rows that are stored for certain when it is away. */
  readonly atLeast: number;
  /** What an application meets. */
  readonly code: ErrorCode;
  /** Rows and checkpoint change in one step. */
  readonly atomic: boolean;
  /**
   * Called before a batch is applied: resolves at once, and takes the store away then or while the batch is under way.
   */
  away(name: string): Promise<void>;
  back(): Promise<void>;
  end(): Promise<void>;
}

const view: ViewShape = { name: 'outage', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
/** Rows that were applied before. */
export const rowsBefore = 10;

/** What every store promises of going away and coming back; `what` says how it goes away. */
export function viewStoreOutageConformance(what: string, begin: () => Promise<Outage>): void {
  test(`${what} in mid-batch: nothing is acknowledged that is not stored, and the batch is taken when it is back`, async () => {
    const outage = await begin();
    const { store, rows } = outage;
    try {
      const generation = await store.open(view, 1);
      const claim = await generation.claim('t', 0);
      const batch = (from: number, next: number) => ({
        topic: 't',
        partition: 0,
        from,
        next,
        changes: Array.from({ length: next - from }, (_, i): ViewChange => {
          const id = BigInt(from + i);
          return { op: 'upsert', offset: from + i, key: [id], row: { id, name: 'x'.repeat(200) } };
        }),
      });
      const checkpoint = async () => (await generation.checkpoint()).get('t/0');
      await generation.apply(claim, batch(0, rowsBefore));

      await outage.away(view.name);
      await expect(generation.apply(claim, batch(rowsBefore, rows))).rejects.toMatchObject({
        code: outage.code,
      });
      await outage.back();
      await eventually('the store answers again', () =>
        store.check().then(
          () => true,
          () => false,
        ),
      );

      const stored = await checkpoint();
      expect(stored).toBeGreaterThanOrEqual(outage.atLeast);
      expect(stored).toBeLessThan(rows);
      const count = await generation.count();
      if (outage.atomic) expect(count).toBe(stored);
      else expect(count).toBeGreaterThanOrEqual(outage.atLeast);

      await generation.apply(claim, batch(rowsBefore, rows));
      expect(await checkpoint()).toBe(rows);
      expect(await generation.count()).toBe(rows);
      expect(await generation.get([BigInt(rows - 1)])).not.toBeNull();
    } finally {
      await store.close();
      await outage.end();
    }
  });
}
