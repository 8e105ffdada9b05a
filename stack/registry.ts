import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileIn, mavenFolder, unpack } from './maven.ts';
import { startDetached } from './processes.ts';
import type { Server } from './server.ts';
import { servers } from './versions.ts';

const { environment, port, version } = servers.registry;
const address = `http://127.0.0.1:${port}/apis/ccompat/v7`;

/** Apicurio, in memory, which speaks Confluent's API. */
export const registry: Server = {
  name: 'registry',
  address,
  start: async (log) => {
    const folder = await mavenFolder('registry', version);
    const runner = `apicurio-registry-app-${version}-runner.jar`;
    if (!existsSync(join(folder, runner))) await unpack(fileIn(folder, /\.tar\.gz$/), folder);
    return startDetached(
      'java',
      [
        '-Xmx256m',
        '-XX:+UseSerialGC',
        '-Dquarkus.http.host=127.0.0.1',
        `-Dquarkus.http.port=${port}`,
        '-jar',
        join(folder, runner),
      ],
      { log, spawn: { env: { ...process.env, ...environment } } },
    );
  },
  probe: async () => {
    const response = await fetch(`${address}/subjects`);
    // An answer that is not read keeps its connection, and with it the process.
    await response.body?.cancel();
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
  },
};
