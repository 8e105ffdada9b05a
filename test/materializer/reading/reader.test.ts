import { expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import type { ColumnType } from '../../../core/column.ts';
import type { Value } from '../../../core/value.ts';
import type { ViewShape } from '../../../core/view.ts';
import { parseKey, reader } from '../../../materializer/reading/reader.ts';

const view: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const keyed = (type: ColumnType): ViewShape => ({ name: 'card', columns: { k: type }, key: ['k'] });

async function generationWith(store: ReturnType<typeof openMemoryStore>, id: number, name: string) {
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
  // Once for the null, and twice where a generation is opened, so that one that is gone by then is not read.
  expect(asked).toBe(3);
  clock = 100;
  expect(await read.get([1n])).toEqual({ id: 1n, name: 'green' });
  const rows = [];
  for await (const row of read.scan()) rows.push(row);
  expect(rows).toEqual([{ id: 1n, name: 'green' }]);
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
