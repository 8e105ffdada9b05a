import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Erasure } from '../../deletes/journal.ts';
import { type Shredder, shredder } from '../../deletes/shredding.ts';
import { keyPlaces, shredHash, shredKeys } from '../../deletes/shredding-place.ts';

let folder: string;
let path: string;
let shred: Shredder;
let sealed: Buffer;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-shredding-'));
  path = join(folder, 'subjects.db');
  shred = shredder({ keys: path });
  sealed = shred.encrypt('customer:42', Buffer.from('hers'));
});
afterEach(() => {
  shred.close();
  rmSync(folder, { recursive: true });
});

/** Of an erasure this is all that the keys are concerned with: the hash, and no id. */
const erasure = (over: Partial<Erasure> = {}): Erasure =>
  ({ id: 'e1', shred: shredHash(path, 'customer:42'), lifted: false, ...over }) as Erasure;

test('an erasure destroys the key by its hash, and the place says so only when it did', () => {
  expect(keyPlaces([erasure()], path).get('e1')).toMatchObject({ kind: 'keys', state: 'applied' });
  shredKeys([erasure()], path);
  shredKeys([erasure()], path);
  expect(keyPlaces([erasure()], path).get('e1')).toMatchObject({
    kind: 'keys',
    name: path,
    state: 'verified',
  });
  expect(shred.decrypt('customer:42', sealed)).toBeNull();
});

test('one that was lifted destroys nothing, and one without a key is no place', () => {
  shredKeys([erasure({ lifted: true }), erasure({ shred: null })], path);
  expect(shred.decrypt('customer:42', sealed)?.toString()).toBe('hers');
  expect(keyPlaces([erasure({ shred: null })], path).size).toBe(0);
});

test('a file that is no longer in the config, or not there, is never called verified', () => {
  shredKeys([erasure()], null);
  expect(keyPlaces([erasure()], null).get('e1')).toMatchObject({ state: 'unverifiable' });
  const missing = join(folder, 'missing.db');
  const known = erasure();
  expect(() => shredKeys([known], missing)).toThrow(/no file of subject keys/);
  expect(() => keyPlaces([known], missing)).toThrow(/no file of subject keys/);
});
