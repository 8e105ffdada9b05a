import type { InsideoutError } from '../core/errors.ts';
import type { Offset } from '../core/position.ts';
import type { Headers, Log, StoredRecord } from '../log/log.ts';

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
 * Sets records aside, durably before it resolves. A crash before the view's checkpoint moved sets the same
 * record aside again; origin and view identify it, and listing shows it once.
 */
export async function writeDeadLetters(log: Log, failed: readonly FailedRecord[]): Promise<void> {
  const topics = [...new Set(failed.map((f) => deadLetterTopic(f.topic)))];
  const existing = await log.partitions(topics);
  await log.ensureTopics(
    topics
      .filter((t) => !existing.has(t))
      .map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: -1 })),
  );
  const now = Date.now();
  await log.append(
    failed.map((f) => ({
      topic: deadLetterTopic(f.topic),
      partition: 0,
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
      },
    })),
  );
}

/** The dead letters of a topic, oldest first, each origin and view once. */
export async function readDeadLetters(log: Log, topic: string, limit = 1000): Promise<DeadLetter[]> {
  const name = deadLetterTopic(topic);
  const ranges = await log.offsets([name]);
  const wanted = new Map([...ranges].filter(([, r]) => r.end > r.first));
  const letters = new Map<string, DeadLetter>();
  if (wanted.size === 0) return [];
  const stop = new AbortController();
  const from = async (t: string, partition: number) => ranges.get(`${t}/${partition}`)?.first ?? 0;
  for await (const batch of log.consume({ topics: [name], from, signal: stop.signal })) {
    for (const record of batch.records) {
      const letter = parse(record);
      letters.set(`${letter.topic}/${letter.partition}/${letter.offset}/${letter.view}`, letter);
    }
    const key = `${batch.topic}/${batch.partition}`;
    if (batch.next >= (wanted.get(key)?.end ?? 0)) wanted.delete(key);
    if (wanted.size === 0 || letters.size >= limit) break;
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
    key: record.key,
    value: record.value,
    headers: Object.fromEntries(Object.entries(record.headers).filter(([name]) => !name.startsWith(prefix))),
  };
}
