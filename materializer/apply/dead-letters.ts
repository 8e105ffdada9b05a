import { type InsideoutError, isInsideoutError } from '../../core/errors.ts';
import { type Offset, partitionKey } from '../../core/position.ts';
import type { Headers, Log, LogRecord, StoredRecord } from '../../log/log.ts';

/** Where a record failed: its bytes, its values, or the store. */
export type Stage = 'decode' | 'convert' | 'store';

/** A record that was set aside. Listing shows everything but the bytes, which may be personal data. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly view: string;
  readonly stage: Stage;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  /** When it was set aside, milliseconds since 1970. */
  readonly time: number;
  /** The record's own bytes. `value` is null for a tombstone, and for a record too large to be kept. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** The record's own headers. */
  readonly headers: Headers;
}

export const deadLetterTopic = (topic: string): string => `${topic}.dlq`;

/** Headers that the dead letter adds; all others are the record's own. */
const prefix = 'dlq.';

export interface FailedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: StoredRecord;
  readonly view: string;
  readonly stage: Stage;
  readonly error: InsideoutError;
  readonly attempts: number;
}

/**
 * Sets records aside, durably before it resolves, in `<topic>.dlq`: a topic that is kept for ever, with one
 * partition unless it was created with more. A crash before the view's checkpoint moved sets the same record
 * aside again; its origin and the view identify it, so that reading shows it once, as it was last.
 */
export async function writeDeadLetters(
  log: Log,
  failed: readonly FailedRecord[],
  now = Date.now(),
): Promise<void> {
  const partitions = await ensured(log, [...new Set(failed.map((f) => deadLetterTopic(f.topic)))]);
  const letters = failed.map((f) => letterOf(f, partitions.get(deadLetterTopic(f.topic)) ?? 1, now));
  try {
    await log.append(letters);
  } catch (error) {
    if (!isInsideoutError(error, 'LOG_RECORD_TOO_LARGE')) throw error;
    for (const letter of letters) await appendSmaller(log, letter);
  }
}

/** With its headers a letter can be larger than the record was. Where it came from is worth more than its bytes. */
async function appendSmaller(log: Log, letter: LogRecord): Promise<void> {
  await log.recover();
  try {
    await log.append([letter]);
  } catch (error) {
    if (!isInsideoutError(error, 'LOG_RECORD_TOO_LARGE') || letter.value === null) throw error;
    await log.recover();
    await log.append([
      { ...letter, value: null, headers: { ...letter.headers, [`${prefix}omitted`]: 'value' } },
    ]);
  }
}

async function ensured(log: Log, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const existing = await log.partitions(topics);
  const missing = topics.filter((t) => !existing.has(t));
  if (missing.length > 0)
    await log.ensureTopics(
      missing.map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: -1 })),
    );
  return existing;
}

function letterOf(f: FailedRecord, partitions: number, now: number): LogRecord {
  return {
    topic: deadLetterTopic(f.topic),
    // All letters of a partition stay in one, so that the last of two for the same record is known.
    partition: f.partition % partitions,
    key: f.record.key ?? Buffer.alloc(0),
    value: f.record.value,
    timestamp: now,
    headers: {
      ...f.record.headers,
      [`${prefix}topic`]: f.topic,
      [`${prefix}partition`]: String(f.partition),
      [`${prefix}offset`]: String(f.record.offset),
      [`${prefix}view`]: f.view,
      [`${prefix}stage`]: f.stage,
      [`${prefix}code`]: f.error.code,
      [`${prefix}message`]: f.error.message,
      [`${prefix}attempts`]: String(f.attempts),
      [`${prefix}time`]: String(now),
      ...(f.record.key === null ? { [`${prefix}omitted`]: 'key' } : {}),
    },
  };
}

/** How many letters a topic's dead letters hold; one that was set aside again after a crash counts again. */
export async function countDeadLetters(log: Log, topic: string): Promise<number> {
  const ranges = await log.offsets([deadLetterTopic(topic)]);
  return [...ranges.values()].reduce((sum, { first, end }) => sum + end - first, 0);
}

/** The dead letters of a topic, oldest first, each origin and view once; at most `limit` of them, or all. */
export async function readDeadLetters(
  log: Log,
  topic: string,
  options: { limit?: number; signal?: AbortSignal } = {},
): Promise<DeadLetter[]> {
  const name = deadLetterTopic(topic);
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const ranges = await log.offsets([name]);
  const unread = new Map([...ranges].filter(([, r]) => r.end > r.first).map(([key, r]) => [key, r.end]));
  const letters = new Map<string, DeadLetter>();
  if (unread.size === 0) return [];
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const from = async (t: string, partition: number) => ranges.get(partitionKey(t, partition))?.first ?? 0;
  for await (const batch of log.consume({ topics: [name], from, signal })) {
    for (const record of batch.records) {
      const letter = parse(record);
      letters.set(`${letter.topic}/${letter.partition}/${letter.offset}/${letter.view}`, letter);
    }
    const key = partitionKey(batch.topic, batch.partition);
    if (batch.next >= (unread.get(key) ?? 0)) unread.delete(key);
    if (unread.size === 0 || letters.size >= limit) break;
  }
  stop.abort();
  return [...letters.values()].slice(0, limit);
}

function parse(record: StoredRecord): DeadLetter {
  const text = (name: string) => record.headers[`${prefix}${name}`]?.toString() ?? '';
  return {
    topic: text('topic'),
    partition: Number(text('partition')),
    offset: Number(text('offset')),
    view: text('view'),
    stage: text('stage') as Stage,
    code: text('code'),
    message: text('message'),
    attempts: Number(text('attempts')),
    time: Number(text('time')),
    key: text('omitted') === 'key' ? null : record.key,
    value: record.value,
    headers: Object.fromEntries(Object.entries(record.headers).filter(([name]) => !name.startsWith(prefix))),
  };
}
