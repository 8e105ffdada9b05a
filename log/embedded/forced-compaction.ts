import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import { closed } from '../closed.ts';
import type { CompactOptions } from '../log.ts';
import { cleanPartition } from './compaction.ts';
import { truncateWal } from './database.ts';
import type { Topic, Topics } from './topics.ts';

const retryMs = 20;
const heldUpMs = 10_000;

export interface ForcedCompactionParts {
  readonly db: Database.Database;
  readonly topics: Topics;
  readonly path: string;
}

/**
 * Compacts topics, a partition at a time, and empties the write-ahead log: then what was superseded is in no file
 * any more. That needs a moment in which no other connection reads what was before, so it is tried until there is one.
 */
export async function compactNow(
  { db, topics, path }: ForcedCompactionParts,
  names: readonly string[],
  { signal, onProgress, onHeldUp }: CompactOptions,
): Promise<void> {
  const go = async () => {
    await immediate();
    signal.throwIfAborted();
    if (!db.open) throw closed();
  };
  signal.throwIfAborted();
  for (const name of names) compacted(topics.get(name));
  for (const name of names)
    for (let partition = 0; partition < topics.get(name).partitions; partition++) {
      // Looked up each time: others may delete the topic in between.
      cleanPartition(db, compacted(topics.get(name)), { partition, now: Date.now() });
      await go();
    }
  let since = Date.now();
  while (!truncateWal(db)) {
    if (Date.now() - since >= heldUpMs) {
      since = Date.now();
      onHeldUp?.(heldUp(path));
    }
    await delay(retryMs, undefined, { signal });
    await go();
  }
  onProgress?.(0);
}

function compacted(topic: Topic): Topic {
  if (topic.cleanup === 'compact') return topic;
  throw new InsideoutError('LOG_TOPIC', `The topic "${topic.name}" is not compacted.`, {
    hint: 'Remove the topic if nobody needs it, or wait until its records expire.',
  });
}

function heldUp(path: string): InsideoutError {
  return new InsideoutError(
    'LOG_UNREACHABLE',
    `Another process has kept reading ${path} for ${heldUpMs / 1000} s, so deleted bytes stay in its write-ahead log.`,
    {
      hint: 'End what keeps the file open in a long transaction, for instance a backup or an sqlite3 shell.',
    },
  );
}
