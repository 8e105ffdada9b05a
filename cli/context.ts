import type { Command } from 'commander';
import type { CheckedConfig } from '../daemon/config/check.ts';
import { loadConfig } from '../daemon/config/load.ts';

/** Options that every command takes, on the program itself. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export const globals = (command: Command): GlobalOptions => command.optsWithGlobals<GlobalOptions>();

export const config = (command: Command): Promise<CheckedConfig & { readonly file: string }> =>
  loadConfig({ file: globals(command).config, folder: process.cwd() });
