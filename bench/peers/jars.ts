import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { benchFolder } from '../environment.ts';

export type Jars = 'connect' | 'streams' | 'debezium-postgres' | 'debezium-jdbc' | 'apicurio';

export const peersFolder = fileURLToPath(new URL('.', import.meta.url));

/** What the worker has itself: a second copy in a plugin's folder clashes with it. */
const workersOwn = [
  /^connect-api-/,
  /^kafka-clients-/,
  /^slf4j-api-/,
  /^lz4-java-/,
  /^snappy-java-/,
  /^zstd-jni-/,
];
const unwanted: Readonly<Record<Jars, readonly RegExp[]>> = {
  connect: [],
  streams: [],
  'debezium-postgres': [...workersOwn, /^jakarta\.ws\.rs-api-/],
  // Hibernate looks for modules of Jackson, and must find the worker's; drivers of other databases are not needed.
  'debezium-jdbc': [
    ...workersOwn,
    /^jakarta\.ws\.rs-api-/,
    /^(ojdbc|mssql-jdbc|mysql-connector|mariadb-java)/,
    /^jackson-(core|databind|annotations)-/,
  ],
  apicurio: [...workersOwn, /^jakarta\.ws\.rs-api-/, /^connect-json-/],
};

/** The folder with a peer's jars from Maven Central, fetched once. */
export async function jarsOf(name: Jars): Promise<string> {
  const folder = join(benchFolder, 'lib', name);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const pom = join(peersFolder, 'pom.xml');
  const args = ['-B', '-q', '-f', pom, '-P', name, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  await promisify(execFile)('mvn', [...args, `-DoutputDirectory=${partial}`], { maxBuffer: 64 << 20 });
  for (const file of readdirSync(partial))
    if (unwanted[name].some((pattern) => pattern.test(file))) rmSync(join(partial, file));
  renameSync(partial, folder);
  return folder;
}
