import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cassandra } from './cassandra.ts';
import { stackPath } from './folders.ts';
import { kafka } from './kafka.ts';
import { lock } from './lock.ts';
import { selectOne, startPostgres } from './postgres.ts';
import { isListening, untilReady } from './processes.ts';
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
  probe: () => selectOne(postgresUrl),
  stopSignal: 'SIGINT',
};

const all: Readonly<Record<ServerName, Server>> = { postgres, kafka, registry, redis, cassandra };

export interface ServerStatus {
  readonly name: ServerName;
  readonly version: string;
  readonly address: string;
  /** Null when it is not running, or when something else than this stack started it. */
  readonly pid: number | null;
  readonly ready: boolean;
}

/**
 * Starts what is not running, side by side, and resolves when all answer. Returns the names of what it started.
 * When one cannot start, it stops again what it started and throws. A server that answers on the port although
 * the stack did not start it (docker compose did) is used as it is.
 */
export async function startStack(
  names: readonly ServerName[] = serverNames,
  onReady: (name: ServerName) => void = () => {},
): Promise<ServerName[]> {
  const unlock = await lock(join(stackPath('run'), 'start.lock'));
  try {
    const started: ServerName[] = [];
    const results = await Promise.allSettled(
      names.map(async (name) => {
        if (await startServer(all[name])) started.push(name);
        onReady(name);
      }),
    );
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) {
      await stopStack(started);
      throw failure.reason;
    }
    return started;
  } finally {
    unlock();
  }
}

/** True when it was not running before. A server that does not come up is ended. */
async function startServer(server: Server): Promise<boolean> {
  const log = logFile(server.name);
  const running = runningPid(server);
  if (running === null && (await isListening(table[server.name].port))) {
    await useForeign(server);
    return false;
  }
  const pid = running ?? (await server.start(log));
  remember(server, pid);
  try {
    await untilReady(() => server.probe(), { pid, name: server.name, log });
  } catch (error) {
    if (running === null) await stopServer(server);
    throw error;
  }
  return running === null;
}

async function useForeign(server: Server): Promise<void> {
  const { port, portVariable } = table[server.name];
  try {
    await server.probe();
  } catch (cause) {
    const mend = `stop it, or set ${portVariable} to a free port`;
    throw new Error(`port ${port} for ${server.name} is taken by something else; ${mend}`, { cause });
  }
}

/** Stops what is running; returns the names of what was. */
export async function stopStack(names: readonly ServerName[] = serverNames): Promise<ServerName[]> {
  const stopped = await Promise.all(names.map((name) => stopServer(all[name])));
  return names.filter((_, i) => stopped[i]);
}

/** Removes the data of servers; only of those that are stopped. */
export function wipeStack(names: readonly ServerName[] = serverNames): void {
  for (const name of names) {
    if (runningPid(all[name]) !== null)
      throw new Error(`${name} is running; stop it before its data is removed`);
    const data = name === 'postgres' ? postgresData() : stackPath('data', name);
    rmSync(data, { recursive: true, force: true });
  }
}

export async function stackStatus(names: readonly ServerName[] = serverNames): Promise<ServerStatus[]> {
  return Promise.all(
    names.map(async (name) => {
      const server = all[name];
      const pid = runningPid(server);
      const ready = await server.probe().then(
        () => true,
        () => false,
      );
      return { name, version: table[name].version, address: server.address, pid, ready };
    }),
  );
}
