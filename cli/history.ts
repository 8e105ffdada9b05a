import { Command } from 'commander';
import { Management } from '../daemon/management.ts';
import type { CatalogEvent, GateFigures } from '../materializer/generations/events.ts';
import { config, globals } from './context.ts';
import { moment, report, table } from './output.ts';

export function historyCommand(): Command {
  return new Command('history')
    .description('what became of generations: who, when, from, to, and what the gate measured')
    .argument('[view]')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const management = await Management.open(await config(command));
      try {
        const events = management.catalog.state.history.filter(
          (event) => event.type !== 'promoting' && (name === undefined || viewsOf(event).includes(name)),
        );
        report(
          globals(command).json,
          events.map((e) => ({ ...e, at: new Date(e.at).toISOString() })),
          () => human(events),
        );
      } finally {
        await management.close();
      }
    });
}

function viewsOf(event: CatalogEvent): string[] {
  if (event.type === 'staged') return event.generations.map((g) => g.view);
  if ('moves' in event) return event.moves.map((m) => m.view);
  return [event.view];
}

function human(events: readonly CatalogEvent[]): string {
  if (events.length === 0) return 'nothing has happened yet';
  return table(
    ['WHEN (UTC)', 'WHO', 'WHAT', 'VIEWS', 'GATE'],
    events.map((e) => [moment(e.at), e.by, what(e), whom(e), gate(e)]),
  );
}

function what(event: CatalogEvent): string {
  switch (event.type) {
    case 'staged':
      return event.reason === 'first' ? 'first build' : `staged epoch ${event.epoch}`;
    case 'promoted':
      return `${kinds[event.kind]}${event.forced ? ' (forced)' : ''}`;
    case 'notPromoted':
      return 'not promoted: pointers were elsewhere';
    case 'retiring':
      return event.forced ? 'retiring (forced)' : 'retiring';
    case 'abandoned':
      return 'abandoned: its store is gone';
    default:
      return event.type;
  }
}

const kinds = { first: 'shown to readers', promote: 'promoted', rollback: 'rolled back' } as const;

function whom(event: CatalogEvent): string {
  if (event.type === 'staged') return event.generations.map((g) => `${g.view} g${g.generation}`).join(', ');
  if ('moves' in event)
    return event.moves
      .map((m) => (m.from === null ? `${m.view} g${m.to}` : `${m.view} g${m.from} to g${m.to}`))
      .join(', ');
  return `${event.view} g${event.generation}`;
}

function gate(event: CatalogEvent): string {
  if (!('gate' in event)) return '';
  return event.gate.map(figures).join('; ');
}

function figures(g: GateFigures): string {
  const rows = g.rows ? `${g.rows.green} rows, ${g.differing ?? 0} differ, ` : '';
  return `${g.view}: ${rows}lag ${g.lag}${g.passed ? '' : ` (${g.missing.join(', ')})`}`;
}
