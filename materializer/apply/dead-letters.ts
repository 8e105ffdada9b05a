import { type InsideoutError, isInsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';
import type { CompactOptions, Headers, Log, LogRecord, StoredRecord } from '../../log/log.ts';
import { readToEnd } from '../../log/read-to-end.ts';

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

const suffix = '.dlq';

export const deadLetterTopic = (topic: string): string => `${topic}${suffix}`;

/** The topic whose dead letters are in this one; null for any other topic. */
export const deadLettersOf = (topic: string): string | null =>
  topic.endsWith(suffix) ? topic.slice(0, -suffix.length) : null;

/** Which record, and which view could not apply it: there is one letter of each, under this key. */
type Origin = Pick<DeadLetter, 'topic' | 'partition' | 'offset' | 'view'>;

const keyOf = ({ topic, partition, offset, view }: Origin): Buffer =>
  Buffer.from(`${topic}/${partition}/${offset}/${view}`);

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
 * Sets records aside, durably before it resolves, in `<topic>.dlq`: a compacted topic, so that letters stay until
 * they are removed, with one partition unless it was created with more. A crash before the view's checkpoint moved
 * sets the same record aside again, in the place of the letter before.
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
    if (!isInsideoutError(error, 'LOG_RECORD_TOO_LARGE')) throw error;
    await log.recover();
    const headers = { ...letter.headers, [`${prefix}value`]: 'omitted' };
    await log.append([{ ...letter, value: nothing, headers }]);
  }
}

async function ensured(log: Log, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const existing = await log.partitions(topics);
  const missing = topics.filter((t) => !existing.has(t));
  if (missing.length > 0)
    await log.ensureTopics(missing.map((name) => ({ name, partitions: 1, cleanup: 'compact' })));
  return existing;
}

function letterOf(f: FailedRecord, partitions: number, now: number): LogRecord {
  return {
    topic: deadLetterTopic(f.topic),
    // All letters of a partition stay in one, so that the last of two for the same record is known.
    partition: f.partition % partitions,
    key: keyOf({ ...f, offset: f.record.offset }),
    // Without a value it would be a tombstone, which says that the letter was removed.
    value: f.record.value ?? nothing,
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
      ...(f.record.key === null ? {} : { [`${prefix}key`]: f.record.key }),
      ...(f.record.value === null ? { [`${prefix}value`]: 'tombstone' } : {}),
    },
  };
}

/** How many dead letters a topic has, by view. */
export interface DeadLetterCount {
  /** Null when there are too many to read them all. */
  readonly byView: ReadonlyMap<string, number> | null;
  /** Of all views together; at most so many when they were not read. */
  readonly total: number;
}

/** Counts the dead letters of a topic. Reads all of them, unless the Log holds more than `most`. */
export async function countDeadLetters(log: Log, topic: string, most = 100_000): Promise<DeadLetterCount> {
  let held = 0;
  for (const { first, end } of (await log.offsets([deadLetterTopic(topic)])).values()) held += end - first;
  if (held > most) return { byView: null, total: held };
  const found = new Set<string>();
  for await (const { records } of readToEnd(log, [deadLetterTopic(topic)]))
    for (const { key, value } of records)
      if (value === null) found.delete(String(key));
      else found.add(String(key));
  const byView = new Map<string, number>();
  for (const key of found) {
    const view = key.slice(key.lastIndexOf('/') + 1);
    byView.set(view, (byView.get(view) ?? 0) + 1);
  }
  return { byView, total: found.size };
}

/**
 * The dead letters of a topic, each origin and view once, as it was set aside last; the oldest first, by when that
 * was for the first time that the Log still knows of. At most `limit` of them, or all.
 */
export async function readDeadLetters(
  log: Log,
  topic: string,
  options: { limit?: number; signal?: AbortSignal } = {},
): Promise<DeadLetter[]> {
  const { limit, signal } = options;
  const letters = new Map<string, DeadLetter>();
  for await (const { records } of readToEnd(log, [deadLetterTopic(topic)], signal ? { signal } : {}))
    for (const record of records)
      if (record.value === null) letters.delete(String(record.key));
      else letters.set(String(record.key), deadLetterIn(record));
  return [...letters.values()].slice(0, limit);
}

/**
 * Removes letters for good: when it resolves, nobody finds them in the Log any more, and their bytes are gone from
 * it (`Log.compact`). What is left for a while is a tombstone that names where they came from. Letters that are not
 * there are ignored. A view that reads the same record again, because it is rebuilt, sets it aside again.
 *
 * Errors: those of `Log.append` and `Log.compact`; removing again goes on.
 */
export async function removeDeadLetters(
  log: Log,
  letters: readonly Origin[],
  options: CompactOptions,
): Promise<void> {
  const partitions = await log.partitions([...new Set(letters.map((l) => deadLetterTopic(l.topic)))]);
  const there = letters.filter((l) => partitions.has(deadLetterTopic(l.topic)));
  if (there.length === 0) return;
  const timestamp = Date.now();
  await log.append(
    there.map((letter) => {
      const topic = deadLetterTopic(letter.topic);
      const partition = letter.partition % (partitions.get(topic) ?? 1);
      return { topic, partition, key: keyOf(letter), value: null, timestamp };
    }),
  );
  await log.compact([...partitions.keys()], options);
}

const nothing = Buffer.alloc(0);

/** The letter that a record of a topic of dead letters holds; one with a value, since a tombstone removes a letter. */
export function deadLetterIn(record: StoredRecord): DeadLetter {
  const text = (name: string) => record.headers[`${prefix}${name}`]?.toString() ?? '';
  const key = record.headers[`${prefix}key`];
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
    key: key === undefined ? null : Buffer.from(key),
    value: text('value') === '' ? record.value : null,
    headers: Object.fromEntries(Object.entries(record.headers).filter(([name]) => !name.startsWith(prefix))),
  };
}
