import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs the CLI as the demo's user would, as a process of its own. */
export function insideout(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const config = fileURLToPath(new URL('insideout.config.ts', import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', '--config', config, ...args], {
    cwd: root,
    env: { ...process.env, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Ends a child and waits until it is gone. */
export function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}
