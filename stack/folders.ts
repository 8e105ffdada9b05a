import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectFolder = fileURLToPath(new URL('..', import.meta.url));

/** Everything that servers leave behind is under `.stack/`, which git ignores. */
export const stackFolder = process.env.INSIDEOUT_STACK_DIR ?? join(projectFolder, '.stack');

export function stackPath(...parts: string[]): string {
  const path = join(stackFolder, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
}
