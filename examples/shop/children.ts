import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Config file beside the demos. Default: that of `npm run demo`. */
  readonly config?: string;
  /** What becomes of what it prints. Default: answers are dropped, complaints are shown. */
  readonly out?: 'ignore' | 'pipe';
  readonly err?: 'inherit' | 'pipe';
}

/** Runs the CLI as the demo's user would, as a process of its own. */
export function insideout(args: readonly string[], options: RunOptions): ChildProcess {
  const { env, config = 'insideout.config.ts', out = 'ignore', err = 'inherit' } = options;
  const file = fileURLToPath(new URL(config, import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', '--config', file, ...args], {
    cwd: root,
    env: { ...process.env, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', out, err],
  });
}

export interface Answer {
  readonly code: number | null;
  readonly text: string;
}

/** What a piped child prints and how it ends; complaints are handed on line by line as they come. */
export async function answerOf(child: ChildProcess, complaint: (line: string) => void): Promise<Answer> {
  let text = '';
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) complaint(line);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (rest !== '') complaint(rest);
  return { code, text: text.trimEnd() };
}

/** Another program of the demo, which is talked to by messages. */
export function program(file: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [...args], {
    cwd: root,
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
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
