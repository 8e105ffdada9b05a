import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { encodeArray } from '../../../connectors/sink/row-json.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation, ViewStore } from '../../../connectors/sink/view-store.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';
import { compareGenerations, type Difference } from '../../../materializer/generations/compare.ts';
import { fill, freshView, keepMoving } from './compare-tables.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-compare-'));
const stores: [string, ViewStore][] = [
  ['memory', openMemoryStore()],
  ['SQLite', await openSqliteStore({ path: join(folder, 'views.db') })],
];
afterAll(async () => {
  for (const [, store] of stores) await store.close();
  rmSync(folder, { recursive: true });
});

const signal = new AbortController().signal;
const quickly = { signal, settleMs: 0 };

const row = fc.record({
  id: fc.integer({ min: 0, max: 60 }),
  a: fc.option(fc.constantFrom('x', 'y', '')),
  f: fc.option(fc.constantFrom(0, -0, 1.5, Number.NaN)),
  l: fc.option(fc.constantFrom<readonly (string | number | null)[]>([], [null], ['a', 1], ['a', -0])),
});
const table = fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 40 });

describe.each(stores)('on %s', (_name, store) => {
  test('of any two tables every difference is found and none is invented', async () => {
    await fc.assert(
      fc.asyncProperty(
        table,
        table,
        fc.nat(),
        fc.constantFrom(1, 4, 65_536),
        async (one, two, mask, ranges) => {
          // Two random tables share little, so that some rows of the one are put into the other.
          const shared = one.filter((_, i) => (mask >> (i % 30)) & 1);
          const other = new Map([...two, ...shared].map((r) => [r.id, r]));
          const view = freshView();
          const blue = await fill(await store.open(view, 1), one);
          const green = await fill(await store.open(view, 2), [...other.values()]);
          const found = await compareGenerations(blue, green, {
            ...quickly,
            ranges,
            budget: 10,
            examples: 1_000,
          });
          const expected = expectedDifferences(one, [...other.values()]);
          expect(sortedByKey(found.differences.examples)).toEqual(sortedByKey(expected));
          for (const kind of ['onlyBlue', 'onlyGreen', 'changed'] as const)
            expect(found.differences[kind]).toBe(expected.filter((d) => d.kind === kind).length);
          expect(found).toMatchObject({
            equal: expected.length === 0,
            rows: { blue: one.length, green: other.size },
            settled: 0,
            complete: true,
            caughtUp: true,
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('two rows whose values traded places are both noticed, also within one range', async () => {
    const view = freshView();
    const rows = Array.from({ length: 500 }, (_, id) => ({ id, a: `a${id}`, f: 0, l: null }));
    const blue = await fill(await store.open(view, 1), rows);
    const traded = rows.map((r) => (r.id === 7 || r.id === 8 ? { ...r, a: `a${15 - r.id}` } : r));
    const green = await fill(await store.open(view, 2), traded);
    const { differences } = await compareGenerations(blue, green, { ...quickly, ranges: 1 });
    expect(differences).toMatchObject({ changed: 2, byColumn: { a: 2 }, onlyBlue: 0, onlyGreen: 0 });
    expect(differences.examples.map((e) => e.key[0]).sort()).toEqual([7, 8]);
  });

  test('a writer that moves both sides, one now ahead and now the other, makes no difference', async () => {
    const view = freshView();
    const rows = Array.from({ length: 3_000 }, (_, id) => ({ id, a: 'a', f: id, l: null }));
    const blue = await fill(await store.open(view, 1), rows);
    const green = await fill(await store.open(view, 2), rows);
    const writer = await keepMoving(blue, green, rows.length);
    try {
      let settled = 0;
      for (let run = 0; run < 3; run++) {
        const found = await compareGenerations(blue, green, { signal, settleMs: 300 });
        expect(found.differences).toMatchObject({ onlyBlue: 0, onlyGreen: 0, changed: 0, examples: [] });
        // The few that are written in every batch may never be met in the same state.
        expect(found.undecided).toBeLessThanOrEqual(5);
        settled += found.settled;
      }
      expect(settled).toBeGreaterThan(0);
    } finally {
      await writer.stop();
    }
    expect(writer.batches()).toBeGreaterThan(5);
  });

  test('a row that green lacks is found among rows that move', async () => {
    const view = freshView();
    const rows = Array.from({ length: 3_000 }, (_, id) => ({ id, a: 'a', f: id, l: null }));
    const lost = { id: 5_000, a: 'lost', f: null, l: null };
    const blue = await fill(await store.open(view, 1), [...rows, lost]);
    const green = await fill(await store.open(view, 2), [...rows, { ...lost, id: 4 }]);
    const writer = await keepMoving(blue, green, rows.length);
    try {
      const found = await compareGenerations(blue, green, { signal, settleMs: 300 });
      expect(found.differences.onlyBlue).toBe(1);
      expect(found.differences.examples).toContainEqual({ key: [5_000], kind: 'onlyBlue', columns: [] });
      expect(found.differences.onlyGreen).toBe(0);
    } finally {
      await writer.stop();
    }
  });
});

const [, memory] = stores[0]!;
const rowsTo = (count: number) => Array.from({ length: count }, (_, id) => ({ id, a: 'a', f: 0, l: null }));

test('a changed definition is compared in the columns that both have, and what differs is told by column', async () => {
  const view = freshView();
  const wider: ViewShape = { ...view, columns: { id: 'int', f: 'float', a: 'text', extra: 'text' } };
  const blue = await fill(await memory.open(view, 1), rowsTo(20));
  const green = await fill(
    await memory.open(wider, 2),
    rowsTo(20).map(({ id, a }) => ({ id, a, f: id < 3 ? 1 : 0, extra: 'new' })),
  );
  const found = await compareGenerations(blue, green, quickly);
  expect(found.columns).toEqual(['id', 'a', 'f']);
  expect(found.differences).toMatchObject({ changed: 3, byColumn: { f: 3 } });
  expect((await compareGenerations(blue, green, { ...quickly, columns: ['a'] })).equal).toBe(true);
  await expect(compareGenerations(blue, green, { ...quickly, columns: ['extra'] })).rejects.toMatchObject({
    code: 'VIEW_SHAPE',
  });
  const rekeyed = await memory.open({ ...freshView(), key: ['id', 'a'] }, 2);
  await expect(compareGenerations(blue, rekeyed, quickly)).rejects.toMatchObject({ code: 'VIEW_SHAPE' });
});

test('the result holds keys and column names, and no value of a row', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), [{ id: 1, a: 'secret', f: 41.5, l: ['hidden'] }]);
  const green = await fill(await memory.open(view, 2), [{ id: 1, a: 'other', f: 42.5, l: [] }]);
  const text = JSON.stringify(await compareGenerations(blue, green, quickly));
  expect(text).toContain('"columns":["a","f","l"]');
  expect(text).not.toMatch(/secret|other|hidden|4[12]\.5/);
});

test('looking stops at the limit, and the result says that it is not all', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), rowsTo(1_000));
  const green = await memory.open(view, 2);
  const found = await compareGenerations(blue, green, { ...quickly, budget: 100, limit: 250 });
  expect(found).toMatchObject({ equal: false, complete: false });
  expect(found.differences.onlyBlue).toBeGreaterThan(250);
  expect(found.differences.onlyBlue).toBeLessThanOrEqual(350);
  expect(found.differences.examples).toHaveLength(10);
  expect(found.ranges.examined).toBeLessThan(found.ranges.different);
});

test('a key that is never met in the same state, because green is always a version behind, makes no difference', async () => {
  const view = freshView();
  const [blue, green] = [await memory.open(view, 1), await memory.open(view, 2)];
  const claims = [await blue.claim('t', 0), await green.claim('t', 0)] as const;
  const version = (offset: number) => ({
    topic: 't',
    partition: 0,
    from: offset,
    next: offset + 1,
    changes: [{ op: 'upsert', offset, key: [1], row: { id: 1, a: `v${offset}`, f: 0, l: null } } as const],
  });
  let running = true;
  const writer = (async () => {
    await blue.apply(claims[0], version(0));
    for (let offset = 1; running; offset++) {
      await blue.apply(claims[0], version(offset));
      await green.apply(claims[1], version(offset - 1));
      await turn();
    }
  })();
  try {
    expect(await compareGenerations(blue, green, { signal, settleMs: 200 })).toMatchObject({
      equal: true,
      settled: 1,
      caughtUp: true,
    });
  } finally {
    running = false;
    await writer;
  }
});

test('a side that is behind and stands still is waited for, and then named', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), rowsTo(50), 50);
  const green = await fill(await memory.open(view, 2), rowsTo(49), 49);
  const found = await compareGenerations(blue, green, { signal, settleMs: 50 });
  expect(found).toMatchObject({ equal: false, caughtUp: false, differences: { onlyBlue: 1 } });
});

test('a side that is behind longer than the time to settle makes no difference once it comes', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), rowsTo(50), 50);
  const green = await memory.open(view, 2);
  const claim = await green.claim('t', 0);
  const comparing = compareGenerations(blue, green, { signal, settleMs: 100 });
  const changes = rowsTo(50).map(
    (r, offset): ViewChange => ({ op: 'upsert', offset, key: [r.id], row: r as Row }),
  );
  for (let next = 1; next <= 50; next++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await green.apply(claim, {
      topic: 't',
      partition: 0,
      from: next - 1,
      next,
      changes: [changes[next - 1]!],
    });
  }
  expect(await comparing).toMatchObject({ equal: true, settled: 50, caughtUp: true });
});

test('it ends with the reason of its signal, in either scan and while it waits', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), rowsTo(5_000));
  const green = await fill(await memory.open(view, 2), rowsTo(4_999));
  for (const at of [0, 1_000, 11_000]) {
    const controller = new AbortController();
    const reason = new Error(`enough at ${at}`);
    if (at === 0) controller.abort(reason);
    const progress = (rows: number) => {
      if (rows >= at) controller.abort(reason);
    };
    await expect(
      compareGenerations(blue, green, { signal: controller.signal, settleMs: 60_000, progress }),
    ).rejects.toBe(reason);
  }
  const waiting = new AbortController();
  const comparing = compareGenerations(blue, green, { signal: waiting.signal, settleMs: 60_000 });
  setTimeout(() => waiting.abort(), 200);
  await expect(comparing).rejects.toMatchObject({ name: 'AbortError' });
});

test('a scan that fails ends the other, and its error is passed on', async () => {
  const view = freshView();
  const blue = await fill(await memory.open(view, 1), rowsTo(3_000));
  const scan = () => ({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('no store')) }),
  });
  const broken = Object.create(blue, { scan: { value: scan } }) as Generation;
  await expect(compareGenerations(blue, broken, quickly)).rejects.toThrow('no store');
});

const keysOf = ['id', 'a', 'f', 'l'] as const;
type Table = { id: number; [column: string]: Row[string] }[];

function expectedDifferences(one: Table, two: Table): Difference[] {
  const other = new Map(two.map((r) => [r.id, r]));
  const mine = new Map(one.map((r) => [r.id, r]));
  return [...new Set([...mine.keys(), ...other.keys()])].flatMap((id): Difference[] => {
    const [blue, green] = [mine.get(id), other.get(id)];
    if (!green) return [{ key: [id], kind: 'onlyBlue', columns: [] }];
    if (!blue) return [{ key: [id], kind: 'onlyGreen', columns: [] }];
    const columns = keysOf.filter((name) => encodeArray(blue[name]!) !== encodeArray(green[name]!));
    return columns.length === 0 ? [] : [{ key: [id], kind: 'changed', columns }];
  });
}

const sortedByKey = <T extends { key: readonly unknown[] }>(items: readonly T[]): T[] =>
  [...items].sort((x, y) => Number(x.key[0]) - Number(y.key[0]));
