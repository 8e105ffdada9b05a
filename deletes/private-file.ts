import { chmodSync, statSync } from 'node:fs';
import { InsideoutError } from '../core/errors.ts';

/**
 * Of a file of this user's any right of its group or of others, as ssh has it. One that belongs to somebody else, as
 * a mounted secret does, this user may have by its group alone: then only the rights of all others are too many.
 */
const tooMany = ({ uid }: { uid: number }): number => (uid === process.geteuid?.() ? 0o077 : 0o007);

/** The rights that a file gives to others than it should, as octal text; null where it gives none, or is not there. */
function tooWide(path: string): { mode: string; mend: string } | null {
  // Windows has no such rights: what `stat` tells there is made up.
  if (process.platform === 'win32') return null;
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file || (file.mode & tooMany(file)) === 0) return null;
  const mend = `chmod ${tooMany(file) === 0o077 ? 600 : 640} ${path}`;
  return { mode: (file.mode & 0o777).toString(8).padStart(4, '0'), mend };
}

/** Refuses a file of secrets that others may read or write. `what` begins the sentence. Errors: `ERASURE_KEY`. */
export function assertPrivate(path: string, what: string): void {
  const wide = tooWide(path);
  if (wide)
    throw new InsideoutError('ERASURE_KEY', `${what} ${path} is open to others: its mode is ${wide.mode}.`, {
      hint: `\`${wide.mend}\`, and ask yourself who may have read it.`,
    });
}

/** Takes from others the rights to a file that holds no secret, where this user may do so. */
export function makePrivate(path: string): void {
  if (!tooWide(path)) return;
  try {
    chmodSync(path, 0o600);
  } catch {
    // It belongs to somebody else, or the disk is read-only: `insideout doctor` tells.
  }
}
