import { type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Starts a server that outlives us, with its output in a file; returns its pid. */
export function startDetached(
  command: string,
  args: readonly string[],
  options: { log: string; spawn?: SpawnOptions },
): number {
  const output = openSync(options.log, 'a');
  const child = spawn(command, [...args], {
    detached: true,
    stdio: ['ignore', output, output],
    ...options.spawn,
  });
  child.on('error', () => {});
  child.unref();
  if (child.pid === undefined) throw new Error(`${command} could not be started; is it installed?`);
  return child.pid;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

/** A dead child that nobody waited for still takes signals. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Ends a process: SIGTERM, and SIGKILL when it has not gone after `patienceMs`. */
export async function stopProcess(
  pid: number,
  options: { signal?: NodeJS.Signals; patienceMs?: number } = {},
): Promise<void> {
  if (!isAlive(pid)) return;
  signalIfAlive(pid, options.signal ?? 'SIGTERM');
  const deadline = Date.now() + (options.patienceMs ?? 15_000);
  while (isAlive(pid)) {
    if (Date.now() > deadline) signalIfAlive(pid, 'SIGKILL');
    await wait(30);
  }
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Polls until `probe` answers without an error; fails when the process died or time ran out. */
export async function untilReady(
  probe: () => Promise<unknown>,
  options: { pid: number; name: string; log: string; seconds?: number },
): Promise<void> {
  const deadline = Date.now() + (options.seconds ?? 90) * 1000;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (!isAlive(options.pid)) throw new Error(`${options.name} died while it started; see ${options.log}`);
      if (Date.now() > deadline)
        throw new Error(`${options.name} does not answer (${String(error)}); see ${options.log}`);
      await wait(100);
    }
  }
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** A pid file: the pid of a server that is running, or null. */
export function readPid(file: string): number | null {
  if (!existsSync(file)) return null;
  const [first, born] = readFileSync(file, 'utf8').split(' ');
  const pid = Number(first);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null;
  // After a reboot the number may belong to somebody else's process.
  return born === undefined || born === birth(pid) ? pid : null;
}

export const writePid = (file: string, pid: number): void => writeFileSync(file, `${pid} ${birth(pid)}`);

/** When a process began, in clock ticks since boot (proc_pid_stat(5), field 22); '' where there is no /proc. */
function birth(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** True when something listens on a port of loopback. */
export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export const removePid = (file: string): void => rmSync(file, { force: true });
