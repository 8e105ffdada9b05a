import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectFolder } from '../../stack/folders.ts';
import { benchFolder } from '../environment.ts';

/** The command line as it is published. */
export const cliPath = join(benchFolder, 'dist', 'cli', 'main.js');

/** Compiles what is measured into a folder of its own: nobody changes it in the middle of a run. */
export async function build(): Promise<void> {
  const tsc = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(projectFolder, 'tsconfig.build.json'), '--outDir', join(benchFolder, 'dist')];
  try {
    await promisify(execFile)(process.execPath, args);
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    if (!existsSync(cliPath))
      throw new Error(`the project does not compile:\n${stdout ?? ''}`, { cause: error });
    process.stderr.write(`measured in spite of errors of types:\n${stdout ?? ''}`);
  }
}
