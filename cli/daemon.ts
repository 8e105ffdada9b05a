import type { SingleBar } from 'cli-progress';
import type { SnapshotProgress } from '../connectors/source/source.ts';
import { InsideoutError } from '../core/errors.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import { createLogger, type Logger } from '../daemon/logger.ts';
import { runDaemon } from '../daemon/run.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';
import { exit, reportError } from './output.ts';

export interface DaemonWork {
  readonly config: CheckedConfig;
  readonly sources: readonly string[];
  readonly views: readonly ViewDefinition[];
  readonly json?: boolean | undefined;
  readonly httpPort?: string | undefined;
  readonly resnapshot?: boolean | undefined;
  readonly finishErasures?: boolean;
}

/** Runs a daemon in the foreground until it is stopped; sets the process's exit code. */
export async function runForeground(work: DaemonWork): Promise<void> {
  if (work.sources.length + work.views.length === 0)
    throw new InsideoutError('USAGE', 'There is nothing to run: the config has no such sources or views.', {
      hint: 'Add a source or a view to the config.',
    });
  const logger = createLogger();
  const { signal, dispose } = shutdownSignal((name) =>
    logger.info({ signal: name }, 'draining; a second signal stops at once'),
  );
  const progress = await snapshotProgress(logger);
  try {
    const errors = await runDaemon({
      ...work,
      config: { ...work.config, http: httpOf(work) },
      hooks: { onProgress: progress.show, resnapshot: work.resnapshot },
      logger,
      signal,
    });
    if (errors.length > 0) {
      for (const error of errors) reportError(error, work.json === true);
      process.exitCode = exit.operator;
    }
  } finally {
    progress.stop();
    dispose();
  }
}

function httpOf({ config, httpPort }: DaemonWork): CheckedConfig['http'] {
  if (httpPort === undefined) return config.http;
  if (httpPort === 'off') return false;
  const port = Number(httpPort);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InsideoutError('USAGE', `"${httpPort}" is not a port.`, {
      hint: 'Give a number from 0 (any free port) to 65535, or off.',
    });
  return { host: config.http === false ? '127.0.0.1' : config.http.host, port };
}

/** Bars on a terminal, a log line when a table begins and ends elsewhere. */
async function snapshotProgress(logger: Logger): Promise<{
  show(p: SnapshotProgress): void;
  stop(): void;
}> {
  if (!process.stderr.isTTY)
    return {
      show: (p) => {
        if (p.rows === 0 || p.done)
          logger.info(
            { table: p.table, rows: p.rows },
            p.done ? 'snapshot of a table is read' : 'snapshot of a table begins',
          );
      },
      stop: () => {},
    };
  const { default: cliProgress } = await import('cli-progress');
  const bars = new cliProgress.MultiBar(
    {
      format: '{table} {bar} {percentage}% {value}/{total} rows, {eta_formatted} left',
      clearOnComplete: false,
      hideCursor: true,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  );
  const known = new Map<string, SingleBar>();
  return {
    show: (p) => {
      const total = Math.max(p.done ? p.rows : (p.estimatedRows ?? 0), p.rows, 1);
      const bar = known.get(p.table) ?? bars.create(total, 0, { table: p.table });
      known.set(p.table, bar);
      bar.setTotal(total);
      bar.update(p.done && p.rows === 0 ? total : p.rows);
      if (p.done) bar.stop();
    },
    stop: () => bars.stop(),
  };
}
