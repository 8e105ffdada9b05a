import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import type { ColumnType } from '../../../core/column.ts';
import { InsideoutError } from '../../../core/errors.ts';
import type { Value } from '../../../core/value.ts';
import type { ViewShape } from '../../../core/view.ts';
import { parseKey, reader } from '../../../materializer/reading/reader.ts';
import { instead } from '../../support/instead.ts';
import { temporaryFolder } from '../customers.ts';

const view: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const keyed = (type: ColumnType): ViewShape => ({ name: 'card', columns: { k: type }, key: ['k'] });

async function generationWith(store: ViewStore, id: number, name: string) {
  const generation = await store.open(view, id);
  const claim = await generation.claim('t', 0);
  const changes = [{ op: 'upsert' as const, offset: 0, key: [1n], row: { id: 1n, name } }];
  await generation.apply(claim, { topic: 't', partition: 0, from: 0, next: 1, changes });
}

test('a view that was never built reads as empty', async () => {
  const read = reader(openMemoryStore(), view);
  expect(await read.get([1n])).toBeNull();
  for await (const row of read.scan()) expect(row).toBeUndefined();
});

test('reads follow the pointer within a tenth of a second, and ask for it no more often', async () => {
  const store = openMemoryStore();
  let asked = 0;
  let clock = 0;
  const counting = {
    ...store,
    active: (name: string) => {
      asked++;
      return store.active(name);
    },
  };
  const read = reader(counting, view, { now: () => clock });
  await generationWith(store, 1, 'blue');
  await generationWith(store, 2, 'green');
  expect(await read.get([1n])).toBeNull();
  await store.promote([{ view, from: null, to: 1 }]);
  expect(await read.get([1n])).toEqual({ id: 1n, name: 'blue' });
  await store.promote([{ view, from: 1, to: 2 }]);
  for (let i = 0; i < 50; i++) await read.get([1n]);
  // Once for the null, and once for the generation.
  expect(asked).toBe(2);
  clock = 100;
  expect(await read.get([1n])).toEqual({ id: 1n, name: 'green' });
  const rows = [];
  for await (const row of read.scan()) rows.push(row);
  expect(rows).toEqual([{ id: 1n, name: 'green' }]);
});

test('many keys are read in their order, and none of them of a view that was never built', async () => {
  const store = openMemoryStore();
  const read = reader(store, view);
  expect(await read.getMany([[1n], [2n]])).toEqual([null, null]);
  await generationWith(store, 1, 'blue');
  await store.promote([{ view, from: null, to: 1 }]);
  expect(await read.getMany([[2n], [1n], [1n]])).toEqual([
    null,
    { id: 1n, name: 'blue' },
    { id: 1n, name: 'blue' },
  ]);
});

describe('a generation that is removed while it is read', () => {
  const folder = temporaryFolder();
  let files = 0;
  let store: ViewStore;
  beforeEach(async () => {
    store = await openSqliteStore({ path: folder.path(`${files++}.db`) });
    for (const [id, name] of [
      [1, 'blue'],
      [2, 'green'],
    ] as const)
      await generationWith(store, id, name);
    await store.promote([{ view, from: null, to: 1 }]);
  });
  afterEach(() => store.close());
  afterAll(() => folder.remove());
  const swapAndDrop = async () => {
    await store.promote([{ view, from: 1, to: 2 }]);
    await store.drop(view.name, 1);
  };

  test('is never seen by get and getMany, which read the one that took its place', async () => {
    const read = reader(store, view, { now: () => 0 });
    expect(await read.get([1n])).toEqual({ id: 1n, name: 'blue' });
    await swapAndDrop();
    expect(await read.get([1n])).toEqual({ id: 1n, name: 'green' });
    expect(await read.getMany([[1n]])).toEqual([{ id: 1n, name: 'green' }]);
  });

  test('ends a scan with an error, though the store itself gives none', async () => {
    const rows = reader(store, view).scan()[Symbol.asyncIterator]();
    expect((await rows.next()).value).toEqual({ id: 1n, name: 'blue' });
    await swapAndDrop();
    await expect(rows.next()).rejects.toMatchObject({ code: 'VIEW_GENERATION_GONE', retry: 'backoff' });
    const silent = instead(store, {
      active: async () => 1,
      find: async () => ({ id: 1, async *scan() {} }),
    });
    await expect(reader(silent, view).scan()[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'VIEW_GENERATION_GONE',
    });
  });

  test('is not made again, and read as empty, by a reader that had just been told of it', async () => {
    let first = true;
    const racing = instead(store, {
      find: async (shape: ViewShape, id: number) => {
        if (first) await swapAndDrop();
        first = false;
        return store.find(shape, id);
      },
    });
    expect(await reader(racing, view).get([1n])).toEqual({ id: 1n, name: 'green' });
  });

  test('does not hide what else is wrong with the store', async () => {
    const failure = new InsideoutError('STORE_UNREACHABLE', 'The store does not answer.', { hint: 'Wait.' });
    const failing = instead(store, {
      find: async () => ({ id: 1, get: () => Promise.reject(failure) }),
    });
    await expect(reader(failing, view).get([1n])).rejects.toBe(failure);
  });
});

test('a reader that was not given a source refuses a token', async () => {
  await expect(reader(openMemoryStore(), view).get([1n], { after: 'shop:0/1' })).rejects.toMatchObject({
    code: 'USAGE',
  });
});

test.each<[ColumnType, string, Value]>([
  ['int', '-2147483648', -2147483648],
  ['bigint', '9223372036854775807', 9223372036854775807n],
  ['float', 'NaN', Number.NaN],
  ['float', '-Infinity', Number.NEGATIVE_INFINITY],
  ['boolean', 'f', false],
  ['bytes', '\\x0aFF', new Uint8Array([10, 255])],
  ['text', '', ''],
  ['numeric', '1.50', '1.50'],
  ['timestamp', '2026-01-01 00:00:00', '2026-01-01 00:00:00'],
])('%s key from %j', (type, word, value) => {
  expect(parseKey(keyed(type), [word])).toEqual([value]);
});

test.each<[ColumnType, string]>([
  ['int', '2147483648'],
  ['int', '1.5'],
  ['bigint', '9223372036854775808'],
  ['bigint', ''],
  ['float', ' '],
  ['float', 'x'],
  ['boolean', 'yes'],
  ['bytes', '0'],
  ['array', '{1}'],
])('%s key from %j is refused', (type, word) => {
  expect(() => parseKey(keyed(type), [word])).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('a key with too few or too many values is refused', () => {
  for (const words of [[], ['1', '2']])
    expect(() => parseKey(view, words)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});
