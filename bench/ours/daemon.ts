import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Config } from '../../daemon/config/descriptors.ts';
import { benchFolder } from '../environment.ts';
import { cliPath } from './build.ts';

/** A process of ours that is being measured. */
export interface Daemon {
  readonly pid: number;
  readonly startedAt: number;
  /** The file with what it prints. */
  readonly log: string;
  /** Asks it to drain, and resolves when it is gone. Throws when it ends with an error. */
  stop(): Promise<void>;
  /** Resolves when it has ended by itself. Throws when it ends with an error. */
  ended(): Promise<void>;
}

/** A folder with a config, for the processes of one run. */
export class Workplace {
  readonly folder: string;
  readonly #profile: string | null;

  constructor(config: Config, options: { profile: string | null }) {
    mkdirSync(join(benchFolder, 'work'), { recursive: true });
    this.folder = mkdtempSync(join(benchFolder, 'work', 'run-'));
    this.#profile = options.profile;
    writeFileSync(join(this.folder, 'insideout.config.yaml'), stringify({ ...config, http: false }));
  }

  /** Runs a command of ours as users do: a Node process of its own, in this folder. */
  start(...args: string[]): Daemon {
    const log = join(this.folder, 'output.log');
    const output = openSync(log, 'a');
    const profiling =
      this.#profile === null
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${this.#profile}`, '--cpu-prof-interval=500'];
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...profiling, cliPath, ...args], {
      cwd: this.folder,
      env: { ...process.env, LOG_LEVEL: 'warn' },
      stdio: ['ignore', output, output],
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (child.pid === undefined) throw new Error('Node could not be started');
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const ended = async () => {
      const code = await exited;
      process.off('exit', kill);
      if (code !== 0) throw new Error(`insideout ${args.join(' ')} failed:\n${readFileSync(log, 'utf8')}`);
    };
    return {
      pid: child.pid,
      startedAt,
      log,
      ended,
      stop: async () => {
        child.kill('SIGTERM');
        await ended();
      },
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
