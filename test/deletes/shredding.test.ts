import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Shredder, shredder } from '../../deletes/shredding.ts';
import { SubjectKeys } from '../../deletes/subject-keys.ts';

let folder: string;
let path: string;
let one: Shredder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-shredding-'));
  path = join(folder, 'keys', 'subjects.db');
  one = shredder({ keys: path });
});
afterEach(() => {
  one.close();
  rmSync(folder, { recursive: true });
});

const bytes = Buffer.from('Ada Lovelace, 12 St James Square');
const keysInFile = () => {
  const db = new Database(path, { readonly: true });
  const keys = db.prepare<[], Buffer | null>('select key from subject_keys').pluck().all();
  db.close();
  return keys;
};
const everyFile = () =>
  Buffer.concat(readdirSync(join(folder, 'keys')).map((name) => readFileSync(join(folder, 'keys', name))));

test('after a key was destroyed every copy is unreadable, in every process, and others are as they were', () => {
  const copies = Array.from({ length: 20 }, () => one.encrypt('customer:42', bytes));
  const other = one.encrypt('customer:43', bytes);
  // Never the same bytes twice: a nonce that comes again would tell what they have in common.
  expect(new Set(copies.map((c) => c.toString('hex'))).size).toBe(20);
  const two = shredder({ keys: path });
  for (const copy of copies) expect(two.decrypt('customer:42', copy)).toEqual(bytes);
  expect(one.destroy('customer:42')).toBe(true);
  for (const reader of [one, two, shredder({ keys: path })]) {
    for (const copy of copies) expect(reader.decrypt('customer:42', copy)).toBeNull();
    expect(reader.decrypt('customer:43', other)).toEqual(bytes);
    expect(() => reader.encrypt('customer:42', bytes)).toThrow(/was destroyed/);
    expect(reader.destroy('customer:42')).toBe(false);
  }
});

test("the bytes of a destroyed key are in no file, nor is any subject's name, however the pages lay", () => {
  for (let i = 0; i < 400; i++) one.encrypt(`customer-no-${i}`, bytes);
  const keys = new SubjectKeys(path, { create: false });
  const doomed = Array.from({ length: 40 }, (_, i) => `customer-no-${i * 9}`);
  const secrets = doomed.map((subject) => keys.find(keys.hash(subject))!);
  for (const secret of secrets) expect(everyFile().includes(secret)).toBe(true);
  for (const subject of doomed) one.destroy(subject);
  const found = everyFile();
  for (const secret of secrets) expect(found.includes(secret)).toBe(false);
  expect(found.includes('customer-no-')).toBe(false);
  expect(keysInFile().filter((key) => key === null)).toHaveLength(40);
  keys.close();
});

test('one that was destroyed before it was ever used gets no key', () => {
  expect(one.destroy('customer:1')).toBe(true);
  expect(() => one.encrypt('customer:1', bytes)).toThrow(/was destroyed/);
  expect(keysInFile()).toEqual([null]);
});

test('what was altered, moved to another subject, or encrypted with another file is an error and never a wrong text', () => {
  const sealed = one.encrypt('customer:42', bytes);
  one.encrypt('customer:43', bytes);
  for (const at of [0, 5, 20, sealed.length - 1]) {
    const altered = Buffer.from(sealed);
    altered[at]! ^= 1;
    expect(() => one.decrypt('customer:42', altered)).toThrow(/do not fit/);
  }
  for (const length of [0, 1, 28])
    expect(() => one.decrypt('customer:42', sealed.subarray(0, length))).toThrow();
  expect(() => one.decrypt('customer:43', sealed)).toThrow(/do not fit/);
  const elsewhere = shredder({ keys: join(folder, 'other.db') });
  expect(() => elsewhere.decrypt('customer:42', sealed)).toThrow(/has no key of this subject/);
  elsewhere.close();
});

test('only the owner may read the file, and whoever only looks does not create it', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(() => new SubjectKeys(join(folder, 'none.db'), { create: false })).toThrow(
    /no file of subject keys/,
  );
  expect(readdirSync(folder)).toEqual(['keys']);
});

test('nothing is no text, and an empty one is', () => {
  expect(one.decrypt('a', one.encrypt('a', new Uint8Array()))).toEqual(Buffer.alloc(0));
  const part = new Uint8Array(Buffer.from('xxabcxx')).subarray(2, 5);
  expect(one.decrypt('a', one.encrypt('a', part))?.toString()).toBe('abc');
});
