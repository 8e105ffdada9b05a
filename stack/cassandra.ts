import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import cassandraDriver from 'cassandra-driver';
import { projectFolder, stackPath } from './folders.ts';
import { fileIn, mavenFolder } from './maven.ts';
import { freePort, startDetached, stopProcess, untilReady } from './processes.ts';
import type { Server } from './server.ts';
import { cassandraStoragePort, servers } from './versions.ts';

const { port, version } = servers.cassandra;
const address = `127.0.0.1:${port}`;

/** One node, small. */
export const cassandra: Server = {
  name: 'cassandra',
  address,
  start: (log) =>
    startNode({ data: stackPath('data', 'cassandra'), port, storagePort: cassandraStoragePort, log }),
  probe: () => answers(address),
};

export interface RunningCassandra {
  /** `host:port`. */
  readonly contactPoint: string;
  readonly superuser: { readonly username: string; readonly password: string };
  stop(): Promise<void>;
}

/** A private node that asks for a password and keeps accounts apart. */
export async function startGuardedCassandra(): Promise<RunningCassandra> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-cassandra-'));
  const [own, storagePort] = [await freePort(), await freePort()];
  const contactPoint = `127.0.0.1:${own}`;
  const log = join(folder, 'cassandra.log');
  const superuser = { username: 'cassandra', password: 'cassandra' };
  const pid = await startNode({ data: folder, port: own, storagePort, log, guarded: true });
  const stop = async () => {
    await stopProcess(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(() => answers(contactPoint, superuser), { pid, name: 'Cassandra', log });
  } catch (error) {
    await stop();
    throw error;
  }
  return { contactPoint, superuser, stop };
}

interface Node {
  readonly data: string;
  readonly port: number;
  readonly storagePort: number;
  readonly log: string;
  readonly guarded?: boolean;
}

async function startNode({ data, port, storagePort, log, guarded }: Node): Promise<number> {
  const jars = await mavenFolder('cassandra', version);
  const own = join(projectFolder, 'stack', 'cassandra');
  const yaml = readFileSync(join(own, 'cassandra.yaml'), 'utf8')
    .replaceAll('CLIENT_PORT', String(port))
    .replaceAll('STORAGE_PORT', String(storagePort));
  const settings = guarded
    ? yaml
        .replace('AllowAllAuthenticator', 'PasswordAuthenticator')
        .replace('AllowAllAuthorizer', 'CassandraAuthorizer')
    : yaml;
  writeFileSync(join(data, 'cassandra.yaml'), settings);
  mkdirSync(join(data, 'tmp'), { recursive: true });
  const flags = readFileSync(join(own, 'jvm.args'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => line.split(' '));
  return startDetached(
    'java',
    [
      '-Xms512m',
      '-Xmx512m',
      '-XX:MaxDirectMemorySize=256m',
      ...flags,
      `-javaagent:${fileIn(jars, /^jamm-.*\.jar$/)}`,
      `-Djava.io.tmpdir=${join(data, 'tmp')}`,
      `-Dcassandra.config=file://${join(data, 'cassandra.yaml')}`,
      `-Dcassandra.storagedir=${data}`,
      `-Dcassandra.logdir=${data}`,
      // The first account would be made after ten seconds.
      '-Dcassandra.superuser_setup_delay_ms=0',
      `-Dlogback.configurationFile=file://${join(own, 'logback.xml')}`,
      '-Dcassandra-foreground=yes',
      '-cp',
      `${own}:${join(jars, '*')}`,
      'org.apache.cassandra.service.CassandraDaemon',
    ],
    { log },
  );
}

async function answers(at: string, account?: { username: string; password: string }): Promise<void> {
  const client = new cassandraDriver.Client({
    contactPoints: [at],
    localDataCenter: 'datacenter1',
    socketOptions: { connectTimeout: 2_000 },
    ...(account && { credentials: account }),
  });
  try {
    await client.connect();
    await client.execute('select release_version from system.local');
  } finally {
    await client.shutdown();
  }
}
