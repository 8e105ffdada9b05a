import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InsideoutError } from '../core/errors.ts';
import { makeFolder } from '../log/folder.ts';
import type { Log } from '../log/log.ts';
import { type ErasureEvent, type Journal, journalTopic } from './journal.ts';

export interface KeptJournalParts {
  readonly log: Log;
  readonly journal: Journal;
  readonly namespace: string;
  /** The file of the copy, beside the key. Where the key is not, there is no copy. */
  readonly key: string;
}

/**
 * Keeps a copy of the journal outside of the Log, a JSON line for each event, and puts back into the Log what it
 * lacks: a Log that was restored from a backup, or begun anew, does not know any more what was erased since. To be
 * called when the journal is opened and before it is closed. Two processes at once may double lines and events, which
 * changes nothing. Errors: `ERASURE_KEY` when the copy cannot be read, and those of the Log.
 */
export async function keepJournal({ log, journal, namespace, key }: KeptJournalParts): Promise<void> {
  if (!existsSync(key)) return;
  const file = `${key}.${namespace}.journal`;
  const { events } = await journal.refresh();
  const kept = read(file);
  const known = new Set(events.map((event) => event.id));
  const lost = [...kept.values()].filter((event) => !known.has(event.id));
  if (lost.length > 0) {
    await log.append(
      lost.map((event) => ({
        topic: journalTopic(namespace),
        partition: 0,
        key: Buffer.from(event.id),
        value: Buffer.from(JSON.stringify(event)),
        timestamp: event.at,
      })),
    );
    await journal.refresh();
  }
  write(
    file,
    events.filter((event) => !kept.has(event.id)),
  );
}

function read(file: string): ReadonlyMap<string, ErasureEvent> {
  const events = new Map<string, ErasureEvent>();
  if (!existsSync(file)) return events;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InsideoutError(
      'ERASURE_KEY',
      `The copy of the journal of erasures at ${file} cannot be read.`,
      {
        hint: 'Let this user read it: it holds what must not come back, as keyed hashes.',
        cause: error,
      },
    );
  }
  for (const line of text.split('\n')) {
    try {
      const event = JSON.parse(line) as ErasureEvent;
      events.set(event.id, event);
    } catch {
      // Empty, or half of a line that a crash cut off.
    }
  }
  return events;
}

function write(file: string, events: readonly ErasureEvent[]): void {
  if (events.length === 0) return;
  try {
    makeFolder(dirname(file), 0o700);
    // The first line break ends what a crash cut off.
    appendFileSync(file, `\n${events.map((event) => JSON.stringify(event)).join('\n')}\n`, { mode: 0o600 });
  } catch (error) {
    const { code } = error as { code?: string };
    // A daemon may read the key and write nothing; then the copy is where erasures are asked for.
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return;
    throw new InsideoutError(
      'ERASURE_KEY',
      `The copy of the journal of erasures cannot be written to ${file}.`,
      {
        hint: 'Check the disk: what was erased is told from this copy when the Log is lost.',
        cause: error,
      },
    );
  }
}
