import { Command } from 'commander';
import { config, globals } from './context.ts';
import { runForeground } from './daemon.ts';

export function upCommand(): Command {
  return new Command('up')
    .description('run all sources and all views in this process, and finish erasures, until it is stopped')
    .option('--http-port <port>', 'port of the probes and metrics; 0 for any, off for none')
    .action(async (options: { httpPort?: string }, command: Command) => {
      const loaded = await config(command);
      await runForeground({
        config: loaded,
        json: globals(command).json,
        sources: Object.keys(loaded.sources),
        views: loaded.views,
        finishErasures: true,
        ...options,
      });
    });
}
