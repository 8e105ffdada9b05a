import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The contents of all files in a folder and its folders. */
export const filesBelow = (folder: string): Buffer[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
