import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import type { Columns } from '../../core/column.ts';
import type { Row, Value } from '../../core/value.ts';
import type { Key, ViewChange, ViewShape } from '../../core/view.ts';
import { everyColumn } from '../support/every-column.ts';

/** Traits in which stores may differ. */
export interface StoreTraits {
  /** Histories per property: fewer for slow stores. */
  readonly runs: number;
  /** Rows and checkpoint change in one step. Default: true. */
  readonly atomic?: boolean;
}

const columns = { id: 'bigint', name: 'text' } as const;
const topic = 'shop.public.customers';
let views = 0;
const freshView = (shape: Partial<ViewShape> = {}): ViewShape => ({
  name: `v${Date.now().toString(36)}_${views++}`,
  columns,
  key: ['id'],
  ...shape,
});

async function rowsOf(generation: Generation): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of generation.scan()) rows.push(row);
  return rows;
}

const byId = (rows: Row[]) => [...rows].sort((a, b) => Number((a.id as bigint) - (b.id as bigint)));
const upsert = (offset: number, id: bigint, name: Value): ViewChange => ({
  op: 'upsert',
  offset,
  key: [id],
  row: { id, name },
});
const remove = (offset: number, id: bigint): ViewChange => ({ op: 'delete', offset, key: [id] });

/** The contract of a view store, as tests that every implementation passes. */
export function viewStoreConformance(
  name: string,
  open: () => Promise<ViewStore>,
  traits: StoreTraits,
): void {
  describe(`${name} keeps the contract of a view store`, () => {
    let store: ViewStore;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(async () => {
      await store?.close();
    });

    const generationOf = (view: ViewShape, id = 1) => store.open(view, id);
    const batch = (from: number, next: number, changes: ViewChange[], partition = 0) => ({
      topic,
      partition,
      from,
      next,
      changes,
    });

    test('within a batch the last change of a key wins', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(
        claim,
        batch(0, 5, [
          upsert(0, 1n, 'a'),
          remove(1, 1n),
          upsert(2, 1n, 'b'),
          upsert(3, 2n, 'c'),
          remove(4, 2n),
        ]),
      );
      expect(await rowsOf(g)).toEqual([{ id: 1n, name: 'b' }]);
      expect(await g.get([2n])).toBeNull();
      expect(await g.checkpoint()).toEqual(new Map([[`${topic}/0`, 5]]));
    });

    test('an upsert replaces the whole row, so a value that became null is null', async () => {
      const view = freshView({ columns: { id: 'bigint', a: 'text', b: 'text' } });
      const g = await generationOf(view);
      const claim = await g.claim(topic, 0);
      await g.apply(
        claim,
        batch(0, 1, [{ op: 'upsert', offset: 0, key: [1n], row: { id: 1n, a: 'x', b: 'y' } }]),
      );
      await g.apply(
        claim,
        batch(1, 2, [{ op: 'upsert', offset: 1, key: [1n], row: { id: 1n, a: null, b: 'z' } }]),
      );
      expect(await g.get([1n])).toEqual({ id: 1n, a: null, b: 'z' });
    });

    test('for any history, replaying any suffix leaves the view as one clean run makes it', async () => {
      const change = fc.record({
        op: fc.constantFrom('upsert', 'delete', 'truncate'),
        id: fc.bigInt({ min: 1n, max: 6n }),
        name: fc.string(),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { minLength: 1, maxLength: 30 }),
          fc.array(fc.nat(30), { maxLength: 4 }),
          async (history, rewinds) => {
            const changes = history.map((c, offset): ViewChange => {
              if (c.op === 'upsert') return upsert(offset, c.id, c.name.replaceAll('\0', ''));
              // A truncate now and then, or nothing would ever be left.
              return c.op === 'truncate' && offset % 5 === 0
                ? { op: 'truncate', offset }
                : remove(offset, c.id);
            });
            const model = new Map<bigint, Row>();
            for (const c of changes) {
              if (c.op === 'truncate') model.clear();
              else if (c.op === 'delete') model.delete(c.key[0] as bigint);
              else model.set(c.key[0] as bigint, c.row);
            }
            const g = await generationOf(freshView());
            let claim = await g.claim(topic, 0);
            const half = changes.length >> 1;
            await g.apply(claim, batch(0, half, changes.slice(0, half)));
            for (const rewind of rewinds) {
              const from = rewind % (half + 1);
              if (rewind % 2 === 0) claim = await g.claim(topic, 0);
              await g.apply(claim, batch(from, changes.length, changes.slice(from)));
            }
            await g.apply(claim, batch(half, changes.length, changes.slice(half)));
            await g.apply(claim, batch(0, half, changes.slice(0, half)));
            expect(byId(await rowsOf(g))).toEqual(byId([...model.values()]));
            expect((await g.checkpoint()).get(`${topic}/0`)).toBe(changes.length);
          },
        ),
        { numRuns: traits.runs },
      );
    });

    test('a truncate removes the rows of its partition only, and only earlier ones', async () => {
      const g = await generationOf(freshView());
      const zero = await g.claim(topic, 0);
      const one = await g.claim(topic, 1);
      await g.apply(zero, batch(0, 2, [upsert(0, 1n, 'a'), upsert(1, 2n, 'b')], 0));
      await g.apply(one, batch(0, 1, [upsert(0, 3n, 'c')], 1));
      await g.apply(
        zero,
        batch(2, 5, [upsert(2, 4n, 'd'), { op: 'truncate', offset: 3 }, upsert(4, 1n, 'again')], 0),
      );
      expect(byId(await rowsOf(g))).toEqual([
        { id: 1n, name: 'again' },
        { id: 3n, name: 'c' },
      ]);
    });

    test('the loser of a fight over a partition is fenced and changes nothing', async () => {
      const view = freshView();
      const first = await generationOf(view);
      const second = await generationOf(view);
      const loser = await first.claim(topic, 0);
      await first.apply(loser, batch(0, 1, [upsert(0, 1n, 'a')]));
      const winner = await second.claim(topic, 0);
      expect(winner.next).toBe(1);
      await expect(first.apply(loser, batch(1, 2, [upsert(1, 1n, 'zombie')]))).rejects.toMatchObject({
        code: 'VIEW_FENCED',
      });
      await second.apply(winner, batch(1, 2, [upsert(1, 1n, 'b')]));
      expect(await second.get([1n])).toEqual({ id: 1n, name: 'b' });
      expect((await second.checkpoint()).get(`${topic}/0`)).toBe(2);
    });

    test('a batch that begins past the checkpoint is refused', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await expect(g.apply(claim, batch(3, 4, [upsert(3, 1n, 'a')]))).rejects.toMatchObject({
        code: 'VIEW_CHECKPOINT_GAP',
      });
      expect(await g.count()).toBe(0);
    });

    test('a refused record leaves rows and checkpoint as they were', async () => {
      if (traits.atomic === false) return;
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(claim, batch(0, 1, [upsert(0, 1n, 'a')]));
      const unserialisable = Symbol('no value') as unknown as Value;
      await expect(
        g.apply(claim, batch(1, 4, [upsert(1, 1n, 'b'), remove(2, 1n), upsert(3, 2n, unserialisable)])),
      ).rejects.toMatchObject({ code: 'RECORD_UNSTORABLE' });
      expect(await rowsOf(g)).toEqual([{ id: 1n, name: 'a' }]);
      expect((await g.checkpoint()).get(`${topic}/0`)).toBe(1);
    });

    test('rows that are erased are gone whatever the checkpoint says, and no replay brings them back', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      const changes = [upsert(0, 1n, 'a'), upsert(1, 2n, 'b'), upsert(2, 3n, 'c')];
      await g.apply(claim, batch(0, 3, changes));
      await g.erase([[1n], [99n], [3n], [1n]]);
      await g.erase([[1n]]);
      await g.erase([]);
      expect(await rowsOf(g)).toEqual([{ id: 2n, name: 'b' }]);
      expect(await g.get([1n])).toBeNull();
      expect(await g.checkpoint()).toEqual(new Map([[`${topic}/0`, 3]]));
      await g.apply(claim, batch(0, 3, changes));
      expect(await rowsOf(g)).toEqual([{ id: 2n, name: 'b' }]);
    });

    test('a change that comes after an erasure of its key applies', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(claim, batch(0, 2, [upsert(0, 1n, 'a'), upsert(1, 2n, null)]));
      await g.erase([[1n], [2n]]);
      await g.apply(claim, batch(2, 4, [upsert(2, 1n, 'again'), upsert(3, 2n, null)]));
      expect(byId(await rowsOf(g))).toEqual([
        { id: 1n, name: 'again' },
        { id: 2n, name: null },
      ]);
    });

    test('many rows are erased at once, by composite keys too', async () => {
      const view = freshView({ columns: { a: 'text', b: 'int' }, key: ['a', 'b'] });
      const g = await generationOf(view);
      const keys = Array.from({ length: 2_500 }, (_, i): Key => [`k:${i % 3}`, i]);
      const changes = keys.map((key, offset): ViewChange => {
        return { op: 'upsert', offset, key, row: { a: key[0]!, b: key[1]! } };
      });
      await g.apply(await g.claim(topic, 0), batch(0, keys.length, changes));
      await g.erase(keys.slice(1));
      expect(await rowsOf(g)).toEqual([{ a: 'k:0', b: 0 }]);
    });

    test('a batch that is wholly below the checkpoint, or overlaps it, changes only what is new', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(claim, batch(0, 3, [upsert(0, 1n, 'a'), upsert(1, 2n, 'b'), remove(2, 1n)]));
      await g.apply(claim, batch(0, 2, [upsert(0, 1n, 'a'), upsert(1, 2n, 'b')]));
      expect(await rowsOf(g)).toEqual([{ id: 2n, name: 'b' }]);
      const again = await (await generationOf(g.view)).claim(topic, 0);
      await g.apply(again, batch(1, 5, [upsert(1, 2n, 'b'), remove(2, 1n), upsert(4, 3n, 'c')]));
      expect(byId(await rowsOf(g))).toEqual([
        { id: 2n, name: 'b' },
        { id: 3n, name: 'c' },
      ]);
    });

    test('a truncate that is replayed leaves what was written after it', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      const changes: ViewChange[] = [upsert(0, 1n, 'a'), { op: 'truncate', offset: 1 }, upsert(2, 2n, 'b')];
      await g.apply(claim, batch(0, 3, changes));
      await g.apply(claim, batch(0, 3, changes));
      await g.apply(claim, batch(1, 3, changes.slice(1)));
      expect(await rowsOf(g)).toEqual([{ id: 2n, name: 'b' }]);
    });

    test('views of one store know nothing of each other', async () => {
      const opened = await Promise.all(Array.from({ length: 12 }, () => generationOf(freshView())));
      for (const [n, g] of opened.entries())
        await g.apply(await g.claim(topic, 0), batch(0, n + 1, [upsert(0, 1n, `view ${n}`)]));
      for (const [n, g] of opened.entries()) {
        expect(await rowsOf(g)).toEqual([{ id: 1n, name: `view ${n}` }]);
        expect(await g.checkpoint()).toEqual(new Map([[`${topic}/0`, n + 1]]));
      }
    });

    test('a view that no generation was opened for has none', async () => {
      expect(await store.generations('nobody')).toEqual([]);
      expect(await store.active('nobody')).toBeNull();
      await store.drop('nobody', 1);
      await store.check();
    });

    test('a generation that does not exist is not promoted', async () => {
      const view = freshView();
      await generationOf(view, 1);
      await expect(store.promote([{ view, from: null, to: 2 }])).rejects.toMatchObject({
        code: 'STORE_REFUSED',
      });
      expect(await store.active(view.name)).toBeNull();
    });

    test('a batch without changes moves the checkpoint', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(claim, batch(0, 7, []));
      expect((await g.claim(topic, 0)).next).toBe(7);
    });

    const all: Columns = { ...everyColumn, b: 'bigint' };
    const rows: [string, Omit<Row, 'id'>][] = [
      [
        'nulls',
        { te: null, i: null, b: null, f: null, n: null, bo: null, by: null, ts: null, js: null, ar: null },
      ],
      [
        'empty values',
        { te: '', i: 0, b: 0n, f: 0, n: '0', bo: false, by: new Uint8Array(), ts: '', js: '""', ar: [] },
      ],
      [
        'limits',
        {
          te: '\u{1f600}é"\\\n',
          i: -2147483648,
          b: -(1n << 63n),
          f: Number.MIN_VALUE,
          n: `${'9'.repeat(60)}.000100`,
          bo: true,
          by: new Uint8Array([0, 255]),
          ts: '2026-01-01 00:00:00.000001+00',
          js: '{"a": 1.000, "b":9007199254740993}',
          ar: [1, null, 'x', [9007199254740993n, [true]], new Uint8Array([1])],
        },
      ],
      [
        'more limits',
        {
          te: "it's",
          i: 2147483647,
          b: (1n << 63n) - 1n,
          f: Number.NaN,
          n: 'NaN',
          bo: true,
          by: new Uint8Array(1000).fill(7),
          ts: 'infinity',
          js: 'null',
          ar: ['NULL', '', Number.NaN],
        },
      ],
      [
        'infinity',
        {
          te: 'a',
          i: 1,
          b: 1n,
          f: Number.NEGATIVE_INFINITY,
          n: '-Infinity',
          bo: false,
          by: null,
          ts: '-infinity',
          js: '[]',
          ar: [null],
        },
      ],
      [
        'minus zero',
        {
          te: 'a',
          i: 1,
          b: 1n,
          f: -0,
          n: '-0.00',
          bo: false,
          by: null,
          ts: '4713-01-01 BC',
          js: '[]',
          ar: [-0],
        },
      ],
    ];
    test.each(rows)('values survive exactly: %s', async (_name, values) => {
      const g = await generationOf(freshView({ columns: all }));
      const claim = await g.claim(topic, 0);
      const row = { id: 1n, ...values } as Row;
      await g.apply(claim, batch(0, 1, [{ op: 'upsert', offset: 0, key: [1n], row }]));
      expect(await g.get([1n])).toStrictEqual(row);
      expect(await rowsOf(g)).toStrictEqual([row]);
    });

    test('composite keys stay apart, whatever separators are in them', async () => {
      const view = freshView({ columns: { a: 'text', b: 'text', n: 'int' }, key: ['a', 'b'] });
      const g = await generationOf(view);
      const claim = await g.claim(topic, 0);
      const keys: Key[] = [
        ['a:b', 'c'],
        ['a', 'b:c'],
        ['a,b', 'c'],
        ['"', '\\'],
        ['{x}', '%'],
        ['a|b', 'c'],
        ['a', 'b|c'],
        ['ä', ''],
      ];
      await g.apply(
        claim,
        batch(
          0,
          keys.length,
          keys.map(([a, b], n) => ({ op: 'upsert', offset: n, key: [a!, b!], row: { a: a!, b: b!, n } })),
        ),
      );
      for (const [n, key] of keys.entries()) expect(await g.get(key)).toEqual({ a: key[0], b: key[1], n });
      expect(await g.count()).toBe(keys.length);
      await g.apply(
        claim,
        batch(keys.length, keys.length + 1, [{ op: 'delete', offset: keys.length, key: keys[0]! }]),
      );
      expect(await g.get(keys[0]!)).toBeNull();
      expect(await g.get(keys[1]!)).not.toBeNull();
    });

    test('keys of every usual type find their row', async () => {
      const types = {
        text: 'k',
        int: 5,
        bigint: (1n << 62n) + 1n,
        bytes: new Uint8Array([0, 1, 255]),
        timestamp: '2026-01-01 00:00:00.000001',
        numeric: '1.50',
      } as const;
      for (const [type, value] of Object.entries(types)) {
        const g = await generationOf(
          freshView({ columns: { k: type as keyof typeof types, v: 'text' }, key: ['k'] }),
        );
        const claim = await g.claim(topic, 0);
        await g.apply(
          claim,
          batch(0, 1, [{ op: 'upsert', offset: 0, key: [value], row: { k: value, v: type } }]),
        );
        expect(await g.get([value])).toEqual({ k: value, v: type });
        await g.apply(claim, batch(1, 2, [{ op: 'delete', offset: 1, key: [value] }]));
        expect(await g.count()).toBe(0);
      }
    });

    test('many keys are read at once: in their order, repeated ones too, null where there is no row', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      const changes = Array.from({ length: 1_500 }, (_, i) => upsert(i, BigInt(i), `n${i}`));
      await g.apply(claim, batch(0, 1_500, changes));
      const ids = [7n, 2_000n, 3n, 7n, -1n, ...Array.from({ length: 1_200 }, (_, i) => BigInt(1_499 - i))];
      const expected = ids.map((id) => (id >= 0n && id < 1_500n ? { id, name: `n${id}` } : null));
      expect(await g.getMany(ids.map((id) => [id]))).toEqual(expected);
      expect(await g.getMany([])).toEqual([]);
    });

    test('arrays keep values that JSON has no form for, and values that look like our marks', async () => {
      const g = await generationOf(freshView({ columns: { id: 'bigint', a: 'array' } }));
      const a: Value = [
        [1n, -0, Number.NaN, Number.NEGATIVE_INFINITY],
        [new Uint8Array(), new Uint8Array([0, 128, 255])],
        [[], '', '{"$bigint":"1"}', '$bytes', null],
        [{ $bigint: 'no number', n: 2n }, { plain: [true] }, {}],
      ];
      const row = { id: 1n, a };
      await g.apply(await g.claim(topic, 0), batch(0, 1, [{ op: 'upsert', offset: 0, key: [1n], row }]));
      expect(await g.get([1n])).toStrictEqual(row);
    });

    test('a value of one megabyte is stored', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      const name = 'x'.repeat(1 << 20);
      await g.apply(claim, batch(0, 1, [upsert(0, 1n, name)]));
      expect((await g.get([1n]))?.name).toBe(name);
    });

    test('a large batch is applied whole', async () => {
      const g = await generationOf(freshView());
      const claim = await g.claim(topic, 0);
      await g.apply(
        claim,
        batch(
          0,
          12_000,
          Array.from({ length: 12_000 }, (_, i) => upsert(i, BigInt(i), `n${i}`)),
        ),
      );
      expect(await g.count()).toBe(12_000);
      expect(new Set((await rowsOf(g)).map((r) => r.id)).size).toBe(12_000);
      expect((await g.checkpoint()).get(`${topic}/0`)).toBe(12_000);
    });

    test('generations of a view know nothing of each other', async () => {
      const view = freshView();
      const blue = await generationOf(view, 1);
      const green = await generationOf(view, 2);
      await blue.apply(await blue.claim(topic, 0), batch(0, 1, [upsert(0, 1n, 'blue')]));
      expect(await green.count()).toBe(0);
      expect((await green.claim(topic, 0)).next).toBe(0);
      expect(await store.generations(view.name)).toEqual([1, 2]);
    });

    test('a generation that exists with other columns is refused', async () => {
      const view = freshView();
      await generationOf(view);
      await expect(store.open({ ...view, columns: { id: 'bigint', other: 'int' } }, 1)).rejects.toMatchObject(
        { code: 'VIEW_SHAPE' },
      );
      await expect(store.open(view, 1)).resolves.toBeDefined();
    });

    test('promotion compares and sets, for several views in one step', async () => {
      const [a, b] = [freshView(), freshView()];
      for (const view of [a, b]) for (const id of [1, 2]) await generationOf(view, id);
      expect(await store.active(a.name)).toBeNull();
      expect(
        await store.promote([
          { view: a, from: null, to: 1 },
          { view: b, from: null, to: 1 },
        ]),
      ).toBe(true);
      expect(
        await store.promote([
          { view: a, from: 1, to: 2 },
          { view: b, from: 2, to: 1 },
        ]),
      ).toBe(false);
      expect(await store.active(a.name)).toBe(1);
      expect(
        await store.promote([
          { view: a, from: 1, to: 2 },
          { view: b, from: 1, to: 2 },
        ]),
      ).toBe(true);
      expect([await store.active(a.name), await store.active(b.name)]).toEqual([2, 2]);
    });

    test('a generation that was dropped takes neither claims nor changes, and leaves nothing to a new one', async () => {
      const view = freshView();
      const g = await generationOf(view);
      const claim = await g.claim(topic, 0);
      await g.apply(claim, batch(0, 1, [upsert(0, 1n, 'a')]));
      await store.drop(view.name, 1);
      const late: unknown = await g
        .apply(claim, batch(1, 2, [upsert(1, 2n, 'zombie')]))
        .catch((error: unknown) => error);
      expect(['VIEW_FENCED', 'STORE_REFUSED']).toContain((late as { code?: string } | undefined)?.code);
      await expect(g.claim(topic, 1)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
      await expect(g.claim(topic, 0)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
      await expect(store.promote([{ view, from: null, to: 1 }])).rejects.toMatchObject({
        code: 'STORE_REFUSED',
      });
      expect(await store.generations(view.name)).toEqual([]);
      expect(await store.find(view, 1)).toBeNull();
      expect(await store.generations(view.name)).toEqual([]);
      const again = await generationOf(view);
      expect(await again.count()).toBe(0);
      expect(await again.checkpoint()).toEqual(new Map());
    });

    test('a generation is found with what it holds, and none is made by looking for it', async () => {
      const view = freshView();
      expect(await store.find(view, 1)).toBeNull();
      expect(await store.generations(view.name)).toEqual([]);
      const g = await generationOf(view);
      await g.apply(await g.claim(topic, 0), batch(0, 1, [upsert(0, 1n, 'a')]));
      const found = (await store.find(view, 1))!;
      expect(await found.get([1n])).toEqual({ id: 1n, name: 'a' });
      expect(await found.checkpoint()).toEqual(await g.checkpoint());
      const other = { ...view, columns: { id: 'bigint', name: 'int' } } as const;
      await expect(store.find(other, 1)).rejects.toMatchObject({ code: 'VIEW_SHAPE' });
    });

    test('a generation that is withdrawn is shown no more, keeps its rows, and can be shown again or dropped', async () => {
      const view = freshView();
      const g = await generationOf(view, 1);
      await generationOf(view, 2);
      await g.apply(await g.claim(topic, 0), batch(0, 1, [upsert(0, 1n, 'a')]));
      await store.promote([{ view, from: null, to: 1 }]);
      await store.withdraw(view.name, 2);
      expect(await store.active(view.name)).toBe(1);
      await store.withdraw(view.name, 1);
      await store.withdraw(view.name, 1);
      expect(await store.active(view.name)).toBeNull();
      expect(await g.count()).toBe(1);
      expect(await store.promote([{ view, from: 1, to: 2 }])).toBe(false);
      expect(await store.promote([{ view, from: null, to: 1 }])).toBe(true);
      await store.withdraw(view.name, 1);
      await store.drop(view.name, 1);
      expect(await store.generations(view.name)).toEqual([2]);
    });

    test('dropping a generation removes its rows and its checkpoint, twice over, but never the active one', async () => {
      const view = freshView();
      const g = await generationOf(view, 1);
      await generationOf(view, 2);
      await g.apply(await g.claim(topic, 0), batch(0, 1, [upsert(0, 1n, 'a')]));
      await store.promote([{ view, from: null, to: 2 }]);
      await expect(store.drop(view.name, 2)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
      await store.drop(view.name, 1);
      await store.drop(view.name, 1);
      expect(await store.generations(view.name)).toEqual([2]);
      const again = await generationOf(view, 1);
      expect(await again.count()).toBe(0);
      expect((await again.claim(topic, 0)).next).toBe(0);
    });
  });
}
