import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { cassandra } from './cassandra.ts';
import { stackPath } from './folders.ts';
import { kafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';
import { untilReady } from './processes.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';
import { logFile, remember, runningPid, type Server, stopServer } from './server.ts';
import { type ServerName, serverNames, servers as table } from './versions.ts';

const postgresUrl = `postgres://postgres@127.0.0.1:${table.postgres.port}/postgres`;

/**
 * The postgres account may not reach into a home folder, so as root its data lies in the system's temporary
 * folder, named after this checkout.
 */
function postgresData(): string {
  const own = stackPath('data');
  if (process.getuid?.() !== 0) return join(own, 'postgres');
  return join(
    tmpdir(),
    `insideout-stack-${createHash('sha256').update(own).digest('hex').slice(0, 8)}`,
    'postgres',
  );
}

const postgres: Server = {
  name: 'postgres',
  address: postgresUrl,
  start: async () => (await startPostgres({ dataDir: postgresData(), port: table.postgres.port })).pid(),
  probe: async () => {
    const client = new pg.Client({ connectionString: postgresUrl, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
    } finally {
      await client.end().catch(() => {});
    }
  },
  stopSignal: 'SIGINT',
};

const all: Readonly<Record<ServerName, Server>> = { postgres, kafka, registry, redis, cassandra };

export interface ServerStatus {
  readonly name: ServerName;
  readonly version: string;
  readonly address: string;
  readonly pid: number | null;
  readonly ready: boolean;
}

/** Starts what is not running, side by side, and resolves when all answer. True when something had to be started. */
export async function startStack(
  names: readonly ServerName[] = serverNames,
  onReady: (name: ServerName) => void = () => {},
): Promise<boolean> {
  const started = await Promise.all(
    names.map(async (name) => {
      const server = all[name];
      const running = runningPid(server);
      const pid = running ?? (await server.start(logFile(name)));
      remember(server, pid);
      await untilReady(() => server.probe(), { pid, name, log: logFile(name) });
      onReady(name);
      return running === null;
    }),
  );
  return started.includes(true);
}

/** Stops what is running; returns the names of what was. */
export async function stopStack(names: readonly ServerName[] = serverNames): Promise<ServerName[]> {
  const stopped = await Promise.all(names.map((name) => stopServer(all[name])));
  return names.filter((_, i) => stopped[i]);
}

export async function stackStatus(names: readonly ServerName[] = serverNames): Promise<ServerStatus[]> {
  return Promise.all(
    names.map(async (name) => {
      const server = all[name];
      const pid = runningPid(server);
      const ready =
        pid !== null &&
        (await server.probe().then(
          () => true,
          () => false,
        ));
      return { name, version: table[name].version, address: server.address, pid, ready };
    }),
  );
}
