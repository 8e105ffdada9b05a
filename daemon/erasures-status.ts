import { journalTopic, openJournal } from '../deletes/journal.ts';
import { openErasures } from '../deletes/unfinished.ts';
import type { Log } from '../log/log.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingLog } from './existing.ts';
import { openLog } from './wiring.ts';

export interface ErasuresStatus {
  /** Without a certificate. */
  readonly open: number;
  /** When the oldest of those was requested, ISO 8601; null when there is none. */
  readonly oldest: string | null;
}

/** Reads the journal of erasures; null where there is none, or the Log cannot tell. Creates nothing. */
export async function readErasuresStatus(config: CheckedConfig): Promise<ErasuresStatus | null> {
  if (missingLog(config)) return null;
  const topic = journalTopic(config.namespace);
  let log: Log | null = null;
  try {
    log = await openLog(config);
    if (!(await log.partitions([topic])).has(topic)) return null;
    const journal = await openJournal(log, config.namespace);
    try {
      const open = openErasures(journal.state);
      const [oldest] = open;
      return { open: open.length, oldest: oldest ? new Date(oldest.requestedAt).toISOString() : null };
    } finally {
      await journal.close();
    }
  } catch {
    return null;
  } finally {
    await log?.close();
  }
}
