import { Command } from 'commander';
import { errorCodes } from '../core/errors.ts';
import { readStatus, type SourceStatus, type Status, type ViewStatus } from '../daemon/status.ts';
import { config, globals } from './context.ts';
import { exit, report, table } from './output.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description(
      'show slots, topics, views with their lag, dead letters, and open erasures; works when daemons are down, too',
    )
    .action(async (_options: object, command: Command) => {
      const status = await readStatus(await config(command));
      report(globals(command).json, status, () => human(status));
      if (status.sources.some(mustBeMended)) process.exitCode = exit.operator;
      else if (status.logError || [...status.sources, ...status.views].some((s) => s.error))
        process.exitCode = exit.failed;
    });
}

const mustBeMended = ({ code, stoppedTables }: SourceStatus): boolean =>
  stoppedTables.length > 0 || (code !== null && errorCodes[code][0] === 'operator');

function human(status: Status): string {
  const parts: string[] = [];
  if (status.sources.length > 0)
    parts.push(
      table(
        ['SOURCE', 'SLOT', 'STATE', 'CONFIRMED', 'WAL HELD'],
        status.sources.map((s) => [
          s.name,
          s.slot,
          s.error ? 'see below' : s.exists ? (s.active ? 'active' : 'idle') : 'no slot yet',
          s.confirmedLsn ?? '-',
          bytes(s.retainedBytes),
        ]),
      ),
    );
  for (const s of status.sources) {
    if (s.error) parts.push(`SOURCE ${s.name}  ${s.error}\n  mend: ${s.mend}`);
    for (const t of s.stoppedTables)
      parts.push(`TABLE ${t.table} of ${s.name} is stopped  ${t.message}\n  mend: ${t.mend}`);
  }
  if (status.logError) parts.push(`LOG  ${status.logError}`);
  if (status.topics.length > 0)
    parts.push(
      table(
        ['TOPIC', 'PARTITIONS', 'RECORDS'],
        status.topics.map((t) => [t.name, t.partitions, t.records]),
      ),
    );
  const stopped = new Set(status.sources.flatMap((s) => s.stoppedTables.map((t) => t.topic)));
  const held = status.logError ? null : new Set(status.topics.map((t) => t.name));
  if (status.views.length > 0)
    parts.push(
      table(
        ['VIEW', 'STORE', 'GENERATION', 'LAG', 'DEAD LETTERS', 'STATE'],
        status.views.map((v) => [
          v.name,
          v.store,
          v.generation ?? '-',
          v.lag ?? '-',
          v.deadLetters ??
            (v.deadLettersOfTopic === null ? '-' : `at most ${v.deadLettersOfTopic} in the topic`),
          state(v, stopped, held),
        ]),
      ),
    );
  if (status.erasures && status.erasures.open > 0)
    parts.push(
      `ERASURES  ${status.erasures.open} without a certificate, the oldest since ${status.erasures.oldest}: see \`insideout erasures\``,
    );
  return parts.join('\n\n') || 'the config is empty';
}

function state(view: ViewStatus, stopped: ReadonlySet<string>, held: ReadonlySet<string> | null): string {
  if (view.error !== null) return view.error;
  if (stopped.has(view.topic)) return 'its table is stopped';
  if (view.generation === null) return 'not built yet';
  if (view.lag === null)
    return held && !held.has(view.topic) ? 'its topic is not in the Log yet' : 'lag unknown';
  return view.lag === 0 ? 'caught up' : 'behind';
}

function bytes(n: number | null): string {
  if (n === null) return '-';
  return n < 1 << 20 ? `${Math.ceil(n / 1024)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`;
}
