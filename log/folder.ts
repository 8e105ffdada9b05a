import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Creates a folder and those above it, where they are missing. Node's own `recursive` never returns where the
 * kernel says ENOENT of a folder whose parent is there, as below /proc. Errors: those of `mkdir`.
 *
 * @param mode of those that are created; default: what the umask leaves
 */
export function makeFolder(folder: string, mode?: number): void {
  if (existsSync(folder)) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder), mode);
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Another process may have been faster.
    if (!existsSync(folder)) throw error;
  }
}
