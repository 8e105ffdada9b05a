import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InsideoutError } from '../core/errors.ts';
import { makeFolder } from '../log/folder.ts';
import type { Log } from '../log/log.ts';
import { canonical } from './certificate.ts';
import { type ErasureEvent, emptyJournal, type Journal, journalTopic } from './journal.ts';
import { fold, refusal } from './journal-fold.ts';
import { makePrivate } from './private-file.ts';

export interface KeptJournalParts {
  readonly log: Log;
  readonly journal: Journal;
  readonly namespace: string;
  /** The file of the copy, beside the key. Where the key is not, there is no copy. */
  readonly key: string;
}

/** What the Log has otherwise than the copy, as sentences. */
export interface KeptDifferences {
  readonly altered: readonly string[];
  /** What it lacks, and cannot take back behind what it has. */
  readonly missing: readonly string[];
}

/** Where the copy of the journal is. */
export const keptJournalFile = ({ key, namespace }: Pick<KeptJournalParts, 'key' | 'namespace'>): string =>
  `${key}.${namespace}.journal`;

/**
 * Keeps a copy of the journal outside of the Log, a JSON line for each event, and puts back into the Log what it
 * lacks: a Log that was restored from a backup, or begun anew, does not know any more what was erased since. Others
 * lose their rights to the file. To be
 * called when the journal is opened and before it is closed. Two processes at once may double lines and events, which
 * changes nothing. Errors: `ERASURE_KEY` when the copy cannot be read, and those of the Log.
 */
export async function keepJournal({
  log,
  journal,
  namespace,
  key,
}: KeptJournalParts): Promise<KeptDifferences> {
  if (!existsSync(key)) return { altered: [], missing: [] };
  const file = keptJournalFile({ key, namespace });
  // Hashes alone tell nothing, so this is no reason to stop.
  makePrivate(file);
  const { events } = await journal.refresh();
  const kept = read(file);
  const known = new Map(events.map((event) => [event.id, event]));
  const altered: string[] = [];
  const missing: string[] = [];
  for (const event of kept.values()) {
    const there = known.get(event.id);
    if (there && canonical(there) !== canonical(event))
      altered.push(`the event ${nameOf(event)} was altered: its copy at ${file} says something else`);
  }
  const lost = [...kept.values()].filter((event) => !known.has(event.id));
  if (lost.length > 0) {
    const { taken, refused } = putBack(lost, events);
    for (const event of refused)
      missing.push(
        `the event ${nameOf(event)} is missing, and cannot be put back from ${file} behind others`,
      );
    if (taken.length > 0)
      await log.append(
        taken.map((event) => ({
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
  return { altered, missing };
}

const nameOf = ({ id, type, erasure }: ErasureEvent): string => `"${type}" ${id} of the erasure ${erasure}`;

/** Which of the lost events can follow what is there, in their order, and which cannot and would tell something. */
function putBack(
  lost: readonly ErasureEvent[],
  events: readonly ErasureEvent[],
): { taken: readonly ErasureEvent[]; refused: readonly ErasureEvent[] } {
  const taken: ErasureEvent[] = [];
  const refused: ErasureEvent[] = [];
  let state = events.reduce(fold, emptyJournal());
  for (const event of lost) {
    if (refusal(state, event) === null) {
      state = fold(state, event);
      taken.push(event);
    } else if (event.type !== 'looked' && event.type !== 'held') refused.push(event);
  }
  return { taken, refused };
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
