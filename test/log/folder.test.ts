import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { makeFolder } from '../../log/folder.ts';

test('a folder is made with those above it, and again without harm', () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'insideout-folder-')), 'a', 'b', 'c');
  makeFolder(folder);
  makeFolder(folder);
  expect(statSync(folder).isDirectory()).toBe(true);
});

test('where no folder can be made it is said, and the process does not hang', async () => {
  expect(() => makeFolder('/proc/insideout/a/b')).toThrow(/ENOENT/);
  await expect(openEmbeddedLog({ path: '/proc/insideout/a/log.db' })).rejects.toMatchObject({
    code: 'LOG_TOPIC',
  });
});
