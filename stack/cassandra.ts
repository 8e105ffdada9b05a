import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import cassandraDriver from 'cassandra-driver';
import { projectFolder, stackPath } from './folders.ts';
import { fileIn, mavenFolder } from './maven.ts';
import { startDetached } from './processes.ts';
import type { Server } from './server.ts';
import { cassandraStoragePort, servers } from './versions.ts';

const { port, version } = servers.cassandra;
const address = `127.0.0.1:${port}`;

/** One node, small. */
export const cassandra: Server = {
  name: 'cassandra',
  address,
  start: async (log) => {
    const jars = await mavenFolder('cassandra', version);
    const data = stackPath('data', 'cassandra');
    const own = join(projectFolder, 'stack', 'cassandra');
    const yaml = readFileSync(join(own, 'cassandra.yaml'), 'utf8')
      .replaceAll('CLIENT_PORT', String(port))
      .replaceAll('STORAGE_PORT', String(cassandraStoragePort));
    writeFileSync(join(data, 'cassandra.yaml'), yaml);
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
        `-Djava.io.tmpdir=${stackPath('data', 'cassandra', 'tmp')}`,
        `-Dcassandra.config=file://${join(data, 'cassandra.yaml')}`,
        `-Dcassandra.storagedir=${data}`,
        `-Dcassandra.logdir=${stackPath('log')}`,
        `-Dlogback.configurationFile=file://${join(own, 'logback.xml')}`,
        '-Dcassandra-foreground=yes',
        '-cp',
        `${own}:${join(jars, '*')}`,
        'org.apache.cassandra.service.CassandraDaemon',
      ],
      { log },
    );
  },
  probe: async () => {
    const client = new cassandraDriver.Client({
      contactPoints: [address],
      localDataCenter: 'datacenter1',
      socketOptions: { connectTimeout: 2_000 },
    });
    try {
      await client.connect();
      await client.execute('select release_version from system.local');
    } finally {
      await client.shutdown();
    }
  },
};
