import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { searchFiles } from '../../deletes/look-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-look-'));
const { signal } = new AbortController();
const chunk = 4 << 20;

function fileWith(name: string, size: number, at: readonly [number, string][]): string {
  const bytes = Buffer.alloc(size, 0x70);
  for (const [offset, text] of at) bytes.write(text, offset);
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

/** Many of them, so that the other way of searching is used, which none is found by. */
const others = Array.from({ length: 1_000 }, (_, i) => `person${i}@example.org`);

test.each([
  ['few texts', []],
  ['a thousand texts', others],
])(
  '%s are found wherever they are, also across the borders of what is read at a time',
  async (_what, more) => {
    for (const at of [0, 1, chunk - 13, chunk - 7, chunk - 1, chunk, 2 * chunk - 3, 2 * chunk + 17 - 13]) {
      const file = fileWith('one', 2 * chunk + 17, [[at, 'pa-zoë-secret'.slice(0, 12)]]);
      expect([at, [...(await searchFiles([file], ['pa-zoë-secre', 'absent!', ...more], signal))]]).toEqual([
        at,
        ['pa-zoë-secre'],
      ]);
    }
  },
);

test('texts that overlap, hold each other or are one character long are all found', async () => {
  const file = fileWith('two', 100, [[40, 'abcabcd!']]);
  const texts = ['abcabcd', 'bcab', 'abcd', '!', 'cdx', ...others];
  expect([...(await searchFiles([file], texts, signal))].sort()).toEqual(['!', 'abcabcd', 'abcd', 'bcab']);
});

test('files that are not there, and nothing to look for, find nothing', async () => {
  expect((await searchFiles([join(folder, 'none')], ['x'], signal)).size).toBe(0);
  expect((await searchFiles([fileWith('three', 10, [])], [], signal)).size).toBe(0);
});

test('an abort ends the search', async () => {
  const file = fileWith('four', chunk, []);
  await expect(searchFiles([file], ['x'], AbortSignal.abort())).rejects.toThrow();
});
