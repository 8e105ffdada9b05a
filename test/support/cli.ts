import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface RunningCli {
  readonly child: ChildProcess;
  /** Everything it printed so far, on stdout and stderr. */
  output(): string;
  /** Sends the signal and resolves with the exit code (null after SIGKILL) when it is gone. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Runs it as an account without rights, when this one may do everything. */
  readonly unprivileged?: boolean;
}

/** What no file belongs to: https://en.wikipedia.org/wiki/Nobody_(username) */
const nobody = { uid: 65_534, gid: 65_534 };

/** The command line as a process of its own. */
export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const child = spawn(
    process.execPath,
    ['--import', `${root}node_modules/tsx/dist/loader.mjs`, `${root}cli/main.ts`, ...args],
    {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.unprivileged && process.getuid?.() === 0 ? nobody : {}),
    },
  );
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    child,
    output: () => output,
    exited,
    end: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}

/** One command from beginning to end; one that has not ended after a minute is killed, with the code null. */
export async function runCli(
  args: readonly string[],
  options: CliOptions,
): Promise<{ code: number | null; output: string; seconds: number }> {
  const began = Date.now();
  const cli = startCli(args, options);
  const deadline = setTimeout(() => cli.child.kill('SIGKILL'), 60_000);
  const code = await cli.exited;
  clearTimeout(deadline);
  return { code, output: cli.output(), seconds: (Date.now() - began) / 1000 };
}
