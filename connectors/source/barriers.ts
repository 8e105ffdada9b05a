import { InsideoutError } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';
import type { Checkpoint } from '../../core/position.ts';
import type { LogRecord, StoredRecord, TopicSpec } from '../../log/log.ts';

/**
 * A mark that somebody wrote into the source's own log of changes. Everything that was committed before it was
 * delivered before it.
 */
export interface Barrier {
  /** Chosen by who wrote it. */
  readonly id: string;
  /** The end of the mark, or of the transaction that it was written in. */
  readonly lsn: Lsn;
  /** All that the writer put in, `id` included. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** A barrier that everything before it is in the Log of, durably: up to `ends` at most. */
export interface PassedBarrier extends Barrier {
  /** End of each of the source's partitions, all of them, when what came before the barrier was durable. */
  readonly ends: Checkpoint;
}

/** Writes barriers into a source's log of changes. Errors: `SOURCE_…`. */
export interface BarrierEmitter {
  /** Resolves once the barrier is written; when and whether the source reads it is told by the Log. */
  emit(id: string): Promise<void>;
  close(): Promise<void>;
}

const maxContentBytes = 1_024;

/** What a barrier holds; null when it is not one: not a JSON object with a text `id`, or larger than 1 kB. */
export function parseContent(bytes: Buffer): Pick<Barrier, 'id' | 'content'> | null {
  if (bytes.length > maxContentBytes) return null;
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString());
  } catch {
    return null;
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return null;
  const { id } = content as Record<string, unknown>;
  return typeof id === 'string' && id !== '' ? { id, content: content as Barrier['content'] } : null;
}

/** Where the source tells which barriers it has passed: one partition, in the order of the source's log. */
export const barriersTopic = (source: string): string => `__insideout.${source}.barriers`;

export const barriersTopicSpec = (source: string): TopicSpec => ({
  name: barriersTopic(source),
  partitions: 1,
  cleanup: 'delete',
  // Whoever waits for a barrier is there when it comes.
  retentionMs: 24 * 60 * 60 * 1_000,
});

export function encodeBarrier(source: string, barrier: PassedBarrier, now: number): LogRecord {
  const { id, lsn, ends, content } = barrier;
  return {
    topic: barriersTopic(source),
    partition: 0,
    key: Buffer.from(id),
    value: Buffer.from(JSON.stringify({ id, lsn: formatLsn(lsn), ends: Object.fromEntries(ends), content })),
    timestamp: now,
  };
}

/** Errors: `RECORD_UNDECODABLE`. */
export function decodeBarrier(record: Pick<StoredRecord, 'value'>): PassedBarrier {
  try {
    const { id, lsn, ends, content } = JSON.parse(record.value?.toString() ?? '');
    return { id, lsn: parseLsn(lsn), ends: new Map(Object.entries<number>(ends)), content };
  } catch {
    throw new InsideoutError('RECORD_UNDECODABLE', 'A record of a barriers topic is not a barrier.', {
      hint: 'Nobody but insideout may write to topics that begin with "__insideout."; delete the topic.',
    });
  }
}
