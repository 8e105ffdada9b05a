import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { loadErasureKey } from '../../deletes/erasure-key.ts';
import { openJournal } from '../../deletes/journal.ts';
import { keepJournal, keptJournalFile } from '../../deletes/kept-journal.ts';
import { shredder } from '../../deletes/shredding.ts';
import { temporaryLog } from '../support/capture.ts';
import { requested } from './happenings.ts';

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-private-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  path = join(folder, 'secret');
});
afterEach(() => {
  vi.restoreAllMocks();
});

const modeOf = (file: string) => statSync(file).mode & 0o777;
const open = {
  'the key of erasures': () => loadErasureKey(path, { create: true }),
  'the file of subject keys': () => shredder({ keys: path }).close(),
};
const files = Object.entries(open);

test.each(files)(
  '%s is made for its owner only, and one that others may read or write is refused',
  (_of, use) => {
    use();
    expect(modeOf(path)).toBe(0o600);
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o644, 0o666]) {
      chmodSync(path, mode);
      expect(use).toThrow(
        expect.objectContaining({
          code: 'ERASURE_KEY',
          message: expect.stringContaining(`mode is 0${mode.toString(8)}`),
          hint: expect.stringContaining(`\`chmod 600 ${path}\``),
        }),
      );
      // Whoever must look who may have read it needs to see it as it was.
      expect(modeOf(path)).toBe(mode);
    }
    for (const mode of [0o700, 0o600, 0o400]) {
      chmodSync(path, mode);
      if (mode !== 0o400) use();
    }
    expect(() => loadErasureKey(path, { create: false })).not.toThrow(/open to others/);
  },
);

test.each(files)(
  '%s of another owner, as a mounted secret is, may be had by its group, and not by everybody',
  (_of, use) => {
    use();
    const uid = process.geteuid?.() ?? 0;
    vi.spyOn(process as Required<typeof process>, 'geteuid').mockReturnValue(uid + 1);
    chmodSync(path, 0o640);
    use();
    chmodSync(path, 0o644);
    expect(use).toThrow(expect.objectContaining({ hint: expect.stringContaining(`\`chmod 640 ${path}\``) }));
  },
);

test.each(files)('where files have no such rights, as on Windows, %s is not refused for them', (_of, use) => {
  use();
  chmodSync(path, 0o666);
  const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
  onTestFinished(() => Object.defineProperty(process, 'platform', platform) && undefined);
  Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
  use();
  expect(modeOf(path)).toBe(0o666);
});

test('others lose their rights to the copy of the journal, and it goes on', async () => {
  const log = await temporaryLog();
  const journal = await openJournal(log, 'n');
  onTestFinished(async () => {
    await journal.close();
    await log.close();
  });
  writeFileSync(path, 'key', { mode: 0o600 });
  const parts = { log, journal, namespace: 'n', key: path };
  const file = keptJournalFile(parts);
  await journal.record(requested('a'));
  await keepJournal(parts);
  expect(modeOf(file)).toBe(0o600);
  chmodSync(file, 0o644);
  const before = readFileSync(file, 'utf8');
  await journal.record(requested('b'));
  expect(await keepJournal(parts)).toEqual({ altered: [], missing: [] });
  expect(modeOf(file)).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toContain(before);
  expect(readFileSync(file, 'utf8')).toContain('"b"');
});
