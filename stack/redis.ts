import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { stackPath } from './folders.ts';
import { fileIn, mavenFolder, memberOf, unzip } from './maven.ts';
import { freePort, startDetached, stopProcess, untilReady } from './processes.ts';
import type { Server } from './server.ts';
import { servers } from './versions.ts';

const { port } = servers.redis;
const address = `redis://127.0.0.1:${port}`;

export const redis: Server = {
  name: 'redis',
  address,
  start: async (log) => startDetached(await binary(), args(port, stackPath('data', 'redis')), { log }),
  probe: () => ping(address),
};

export interface RunningRedis {
  /** Holds the password, if there is one. */
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A private Redis that writes everything down before it answers, for tests that take it away. */
export async function startRedis(options: { password?: string } = {}): Promise<RunningRedis> {
  const { password } = options;
  const folder = mkdtempSync(join(tmpdir(), 'insideout-redis-'));
  const ownPort = await freePort();
  const url = `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${ownPort}`;
  const log = join(folder, 'redis.log');
  let pid = 0;
  const start = async () => {
    pid = startDetached(
      await binary(),
      [
        ...args(ownPort, folder),
        ...['--appendonly', 'yes', '--appendfsync', 'always'],
        ...(password === undefined ? [] : ['--requirepass', password]),
      ],
      { log },
    );
    await untilReady(() => ping(url), { pid, name: 'Redis', log, seconds: 20 });
  };
  await start();
  return {
    url,
    kill: () => stopProcess(pid, { signal: 'SIGKILL' }),
    restart: start,
    stop: async () => {
      await stopProcess(pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const args = (at: number, folder: string): string[] => [
  '--port',
  String(at),
  '--bind',
  '127.0.0.1',
  '--dir',
  folder,
  '--save',
  '',
];

async function ping(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}

/** The system's redis-server, or the one inside a Maven package. */
async function binary(): Promise<string> {
  const system = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'redis-server'))
    .find(existsSync);
  if (system) return system;
  const folder = await mavenFolder('redis', servers.redis.version);
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const name = await memberOf(
    fileIn(folder, /embedded-redis.*\.jar$/),
    new RegExp(`^redis-server-6.*-${platform}$`),
  );
  const path = join(folder, name);
  if (!existsSync(path)) {
    await unzip(fileIn(folder, /embedded-redis.*\.jar$/), name, folder);
    chmodSync(path, 0o755);
  }
  return path;
}
