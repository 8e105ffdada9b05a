import { existsSync } from 'node:fs';
import { failed, fine } from '../connectors/source/findings.ts';
import type { Finding } from '../connectors/source/source.ts';
import { toInsideoutError } from '../core/errors.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import { loadErasureKey } from '../deletes/erasure-key.ts';
import { keptJournalFile } from '../deletes/kept-journal.ts';
import { assertPrivate } from '../deletes/private-file.ts';

/**
 * Whether the key of erasures can be used, and whether anybody else may read it, its copy of the journal, or the file
 * of subject keys. What is not there is no finding: it is made when it is first needed.
 */
export function checkSecrets({ erasure, namespace }: CheckedConfig): Finding[] {
  const { key, shred } = erasure;
  const kept = keptJournalFile({ key, namespace });
  const files: [check: string, path: string | undefined, look: (path: string) => unknown][] = [
    ['erasure key', key, () => loadErasureKey(key, { create: false })],
    ['erasure journal', kept, (path) => assertPrivate(path, 'The copy of the journal of erasures at')],
    ['subject keys', shred, (path) => assertPrivate(path, 'The file of subject keys')],
  ];
  return files.flatMap(([check, path, look]) => {
    if (path === undefined || !existsSync(path)) return [];
    try {
      look(path);
      return [fine(check, `${path} is open to nobody else.`)];
    } catch (error) {
      return [failed(check, toInsideoutError(error))];
    }
  });
}
