import type { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
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

/**
 * The source that is meant: the one that was named, whether or not it exists, or else the only one. Errors: `USAGE`
 * when there are several, or none.
 */
export function chosenSource(loaded: CheckedConfig, name: string | undefined, how = 'Name one of'): string {
  const names = Object.keys(loaded.sources);
  const source = name ?? (names.length === 1 ? names[0] : undefined);
  if (source !== undefined) return source;
  throw new InsideoutError('USAGE', 'Which source is meant is not clear.', {
    hint: `${how}: ${names.join(', ') || 'none is configured'}.`,
  });
}
