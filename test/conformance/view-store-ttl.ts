import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import type { Row } from '../../core/value.ts';
import type { ViewChange, ViewShape } from '../../core/view.ts';
import { eventually } from '../support/eventually.ts';

/** Time as a store sees it. */
export interface TestClock {
  now(): number;
  /** Resolves when it is so late. */
  reach(time: number): Promise<void>;
}

/** For stores that take a clock. */
export function fakeClock(): TestClock {
  let ahead = 0;
  const now = () => Date.now() + ahead;
  return {
    now,
    reach: async (time) => {
      ahead += Math.max(0, time - now());
    },
  };
}

/** For stores whose server has one of its own. */
export const realClock = (): TestClock => ({
  now: Date.now,
  reach: async (time) => {
    await eventually('the time has come', () => Date.now() > time);
  },
});

const topic = 'shop.public.sessions';
/** Long enough for a busy machine to see a row before it ends, short enough to wait for. */
const life = 3_000;
let views = 0;

const text = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '+00');
const seen = (offset: number, id: bigint, at: string | null): ViewChange => ({
  op: 'upsert',
  offset,
  key: [id],
  row: { id, at },
});

async function idsOf(generation: Generation): Promise<bigint[]> {
  const ids: bigint[] = [];
  for await (const row of generation.scan()) ids.push(row.id as bigint);
  return ids.sort((a, b) => Number(a - b));
}

async function apply(generation: Generation, changes: readonly ViewChange[]): Promise<void> {
  const claim = await generation.claim(topic, 0);
  const from = changes[0]?.offset ?? claim.next;
  await generation.apply(claim, { topic, partition: 0, from, next: from + changes.length, changes });
}

/** The part of the contract that is about rows which end, as tests that every implementation passes. */
export function viewStoreTtlConformance(
  name: string,
  open: (now: () => number) => Promise<ViewStore>,
  clock: TestClock,
): void {
  describe(`${name} keeps the contract for rows that end`, () => {
    let store: ViewStore;
    beforeAll(async () => {
      store = await open(clock.now);
    });
    afterAll(async () => {
      await store?.close();
    });
    const freshView = (shape: Partial<ViewShape> = {}): ViewShape => ({
      name: `ttl${Date.now().toString(36)}_${views++}`,
      columns: { id: 'bigint', at: 'timestamp' },
      key: ['id'],
      ttl: { column: 'at', ms: life },
      ...shape,
    });

    test('a row is not read any more once it has ended, and one without a time never ends', async () => {
      const g = await store.open(freshView(), 1);
      const at = clock.now();
      await apply(g, [seen(0, 1n, text(at)), seen(1, 2n, null), seen(2, 3n, 'infinity')]);
      expect(await g.get([1n])).toEqual({ id: 1n, at: text(at) });
      expect(await idsOf(g)).toEqual([1n, 2n, 3n]);
      expect(await g.count()).toBe(3);
      await clock.reach(at + life + 1);
      expect(await g.get([1n])).toBeNull();
      expect(await g.getMany([[1n], [2n], [3n]])).toEqual([
        null,
        { id: 2n, at: null },
        { id: 3n, at: 'infinity' },
      ]);
      expect(await idsOf(g)).toEqual([2n, 3n]);
      expect(await g.count()).toBe(2);
    });

    test('a row that has ended when it comes is deleted instead of written', async () => {
      const g = await store.open(freshView(), 1);
      await apply(g, [seen(0, 1n, null), seen(1, 2n, null), seen(2, 3n, null)]);
      const past = clock.now() - life - 1;
      await apply(g, [seen(3, 1n, text(past)), seen(4, 2n, '-infinity'), seen(5, 4n, text(0))]);
      expect(await idsOf(g)).toEqual([3n]);
      expect(await g.count()).toBe(1);
      expect(await g.checkpoint()).toEqual(new Map([[`${topic}/0`, 6]]));
    });

    test('neither a replay nor a rebuild extends a life', async () => {
      const view = freshView();
      const [blue, green, late] = [
        await store.open(view, 1),
        await store.open(view, 2),
        await store.open(view, 3),
      ];
      const at = clock.now();
      const changes = [seen(0, 1n, text(at)), seen(1, 2n, null)];
      await apply(blue, changes);
      await clock.reach(at + life / 2);
      await apply(green, changes);
      await apply(blue, changes);
      expect(await idsOf(green)).toEqual([1n, 2n]);
      await clock.reach(at + life + 1);
      await apply(late, changes);
      await apply(blue, changes);
      for (const g of [blue, green, late]) expect(await idsOf(g)).toEqual([2n]);
    });

    test('the last change of a row says when it ends', async () => {
      const g = await store.open(freshView(), 1);
      const at = clock.now();
      await apply(g, [
        seen(0, 1n, text(at)),
        seen(1, 2n, text(at)),
        seen(2, 3n, null),
        seen(3, 4n, text(at)),
      ]);
      await apply(g, [seen(4, 1n, null), seen(5, 2n, text(at + 3_600_000)), seen(6, 3n, text(at))]);
      await clock.reach(at + life + 1);
      expect(await idsOf(g)).toEqual([1n, 2n]);
    });

    test('a row comes back with a change that was made after its end', async () => {
      const g = await store.open(freshView(), 1);
      await apply(g, [seen(0, 1n, text(clock.now() - life)), seen(1, 2n, null)]);
      expect(await g.get([1n])).toBeNull();
      const again = text(clock.now() + 3_600_000);
      await apply(g, [seen(2, 1n, again)]);
      expect(await g.get([1n])).toEqual({ id: 1n, at: again });
    });

    test('an offset in the text counts, and a time without one is UTC', async () => {
      const g = await store.open(freshView(), 1);
      const now = clock.now();
      const local = (shift: number) => text(now + shift).slice(0, -3);
      const hour = 3_600_000;
      await apply(g, [
        seen(0, 1n, `${local(-hour)}-02`),
        seen(1, 2n, `${local(hour)}+02:30`),
        seen(2, 3n, local(hour)),
        seen(3, 4n, local(-hour)),
      ]);
      expect(await idsOf(g)).toEqual([1n, 3n]);
    });

    test('a row whose end cannot be read is refused, and those before it stay', async () => {
      const g = await store.open(freshView(), 1);
      await apply(g, [seen(0, 1n, null)]);
      await expect(apply(g, [seen(1, 2n, 'next week')])).rejects.toMatchObject({ code: 'RECORD_UNSTORABLE' });
      expect(await idsOf(g)).toEqual([1n]);
      expect((await g.checkpoint()).get(`${topic}/0`)).toBe(1);
    });

    test('rows that end later are deleted, truncated and erased like all others', async () => {
      const g = await store.open(freshView(), 1);
      const at = text(clock.now() + 3_600_000);
      await apply(g, [seen(0, 1n, at), seen(1, 2n, at), seen(2, 3n, at)]);
      await apply(g, [{ op: 'delete', offset: 3, key: [1n] }]);
      await g.erase([[2n]]);
      expect(await idsOf(g)).toEqual([3n]);
      await apply(g, [{ op: 'truncate', offset: 4 }, seen(5, 2n, at)]);
      expect(await idsOf(g)).toEqual([2n]);
    });

    test('a large batch of rows that end, that never end and that have ended is applied whole', async () => {
      const g = await store.open(freshView(), 1);
      const now = clock.now();
      const times = [text(now + 3_600_000), null, text(now - life)];
      const rows: Row[] = Array.from({ length: 9_000 }, (_, i) => ({ id: BigInt(i), at: times[i % 3]! }));
      await apply(
        g,
        rows.map((row, offset) => ({ op: 'upsert', offset, key: [row.id!], row })),
      );
      expect(await g.count()).toBe(6_000);
      const found = await g.getMany(rows.slice(0, 300).map(({ id }) => [id!]));
      expect(found).toEqual(rows.slice(0, 300).map((row, i) => (i % 3 === 2 ? null : row)));
    });

    test('a generation that exists with another ttl, or none, is refused', async () => {
      const view = freshView();
      const { ttl: _, ...endless } = view;
      await store.open(view, 1);
      for (const other of [{ ...view, ttl: { column: 'at', ms: life + 1 } }, endless])
        await expect(store.open(other, 1)).rejects.toMatchObject({ code: 'VIEW_SHAPE' });
      await expect(store.open(view, 1)).resolves.toBeDefined();
    });
  });
}
