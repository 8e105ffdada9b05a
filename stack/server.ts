import { join } from 'node:path';
import { stackPath } from './folders.ts';
import { readPid, removePid, stopProcess, writePid } from './processes.ts';
import type { ServerName } from './versions.ts';

/** A server of the stack: how it is started, and how one knows that it answers. */
export interface Server {
  readonly name: ServerName;
  readonly address: string;
  /** Starts it and returns its pid; it need not be ready. */
  start(log: string): Promise<number>;
  /** Throws while the server does not answer its protocol. */
  probe(): Promise<void>;
  readonly stopSignal?: NodeJS.Signals;
}

const pidFile = (name: string) => join(stackPath('run'), `${name}.pid`);
export const logFile = (name: string) => join(stackPath('log'), `${name}.log`);

export function runningPid(server: Server): number | null {
  return readPid(pidFile(server.name));
}

export function remember(server: Server, pid: number): void {
  writePid(pidFile(server.name), pid);
}

export async function stopServer(server: Server): Promise<boolean> {
  const pid = runningPid(server);
  if (pid !== null) await stopProcess(pid, { signal: server.stopSignal ?? 'SIGTERM' });
  removePid(pidFile(server.name));
  return pid !== null;
}
