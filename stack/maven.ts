import { execFile } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectFolder, stackPath } from './folders.ts';

const run = promisify(execFile);

/** The folder with a server's files from Maven Central, fetched once. */
export async function mavenFolder(
  profile: 'kafka' | 'cassandra' | 'registry' | 'redis',
  version: string,
): Promise<string> {
  const folder = join(stackPath('lib'), `${profile}-${version}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    await run(
      'mvn',
      [
        '-B',
        '-q',
        '-f',
        join(projectFolder, 'stack', 'pom.xml'),
        '-P',
        profile,
        `-Dserver.version=${version}`,
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${partial}`,
      ],
      { maxBuffer: 64 << 20 },
    );
  } catch (error) {
    throw new Error(
      `${profile} could not be fetched with Maven; install maven and a JDK 17, and check the network`,
      { cause: error },
    );
  }
  // Whole or not at all: a fetch that was interrupted must not be taken for a finished one.
  renameSync(partial, folder);
  return folder;
}

/** The one file in a folder whose name matches. */
export function fileIn(folder: string, name: RegExp): string {
  const found = readdirSync(folder).find((file) => name.test(file));
  if (!found) throw new Error(`there is no ${name} in ${folder}; remove the folder, and it is fetched again`);
  return join(folder, found);
}

export async function unpack(archive: string, into: string): Promise<void> {
  await run('tar', ['-xzf', archive, '-C', into]);
}

export async function unzip(archive: string, member: string, into: string): Promise<string> {
  await run('jar', ['xf', archive, member], { cwd: into });
  return join(into, member);
}

/** The one file inside a jar whose name matches. */
export async function memberOf(jar: string, name: RegExp): Promise<string> {
  const { stdout } = await run('jar', ['tf', jar]);
  const found = stdout.split('\n').find((member) => name.test(member));
  if (!found)
    throw new Error(`there is no ${name} in ${jar}; install the server with the system's package manager`);
  return found;
}
