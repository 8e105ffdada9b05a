import { journalTopic, openJournal } from '../deletes/journal.ts';
import { openErasures } from '../deletes/unfinished.ts';
import type { Log } from '../log/log.ts';

export interface ErasuresStatus {
  /** Without a certificate. */
  readonly open: number;
  /** When the oldest of those was requested, ISO 8601; null when there is none. */
  readonly oldest: string | null;
}

/** Reads the journal of erasures; null where there is none, or the Log cannot tell. Creates nothing. */
export async function readErasuresStatus(log: Log, namespace: string): Promise<ErasuresStatus | null> {
  const topic = journalTopic(namespace);
  try {
    if (!(await log.partitions([topic])).has(topic)) return null;
    const journal = await openJournal(log, namespace);
    try {
      const open = openErasures(journal.state);
      const [oldest] = open;
      return { open: open.length, oldest: oldest ? new Date(oldest.requestedAt).toISOString() : null };
    } finally {
      await journal.close();
    }
  } catch {
    return null;
  }
}
