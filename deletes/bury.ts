import { randomUUID } from 'node:crypto';
import { type Offset, type PartitionKey, partitionKey } from '../core/position.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Log, LogRecord, RecordBatch, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { ofDeadIn, type TopicToLookAt } from './record-traces.ts';
import type { Tracer } from './tracer.ts';

/** What came while a topic was read is read as well, before anything is appended. */
const catchUps = 2;

/**
 * Appends a tombstone for every erased key whose newest record is a row again: a dead letter that somebody appended
 * anew, or a Log that was restored from a backup. So too for rows that a TRUNCATE deleted before the erasure, since
 * that leaves their records where they are. Views do not take such a row, and compaction takes it away behind
 * the tombstone. Returns how many there were. A topic that is read and written meanwhile loses nothing else: of a key
 * that somebody else has since a TRUNCATE the newest record is of behind the erasure. Should it come in the
 * milliseconds before the tombstone, it is appended once more behind it.
 */
export async function buryErased(
  log: Log,
  topics: readonly TopicToLookAt[],
  { tracer, signal }: { tracer: Tracer; signal: AbortSignal },
): Promise<number> {
  const reader = new AnyReader(log.schemas);
  let count = 0;
  for (const place of topics) {
    const back = new Map<string, LogRecord>();
    const next = new Map<PartitionKey, Offset>();
    const take = async ({ topic, partition, records, next: behind }: RecordBatch) => {
      next.set(partitionKey(topic, partition), behind);
      for (const { key, value, headers } of records) {
        if (!key || isTruncate({ headers })) continue;
        const row = await reader.read(key);
        if (!row) continue;
        const name = nameOf(partition, key);
        if (value === null || ofDeadIn(place, row, headers, tracer).length === 0) back.delete(name);
        else
          back.set(name, { topic, partition, key, value: null, timestamp: Date.now(), headers: { op: 'd' } });
      }
    };
    for await (const batch of readToEnd(log, [place.topic], { signal })) await take(batch);
    for (let i = 0; i < catchUps && back.size > 0; i++)
      for await (const batch of readToEnd(log, [place.topic], { from: next, signal })) await take(batch);
    count += back.size;
    for (let left = back; left.size > 0; ) {
      const mark = randomUUID();
      const marked = (record: LogRecord) => ({
        ...record,
        headers: { ...record.headers, [markHeader]: mark },
      });
      await log.append([...left.values()].map(marked));
      const came = new Overtaken(left, mark);
      for await (const batch of readToEnd(log, [place.topic], { from: next, signal })) {
        next.set(partitionKey(batch.topic, batch.partition), batch.next);
        came.take(batch);
      }
      left = new Map();
      for (const [name, record] of came.hidden) {
        const row = record.value && (await reader.read(record.key));
        if (!row || ofDeadIn(place, row, record.headers ?? {}, tracer).length === 0) left.set(name, record);
      }
    }
  }
  return count;
}

/** Tells what was appended here from what others append at the same time. */
const markHeader = 'buried';

const nameOf = (partition: number, key: Buffer): string => `${partition}/${key.toString('latin1')}`;

/** Finds what others appended just before what was appended here, so that it is hidden by it. */
class Overtaken {
  readonly #appended: ReadonlyMap<string, LogRecord>;
  readonly #mark: string;
  readonly #before = new Map<string, LogRecord>();
  readonly #passed = new Set<string>();
  /** The newest of each key that says something else; not where a newer one is behind ours anyway. */
  readonly hidden = new Map<string, LogRecord>();

  constructor(appended: ReadonlyMap<string, LogRecord>, mark: string) {
    this.#appended = appended;
    this.#mark = mark;
  }

  take({ topic, partition, records }: RecordBatch): void {
    for (const record of records) {
      if (isTruncate(record)) {
        for (const [name, ours] of this.#appended)
          if (ours.partition === partition) this.#came(name, { ...ours, value: null, headers: { op: 'd' } });
        continue;
      }
      const name = record.key && nameOf(partition, record.key);
      const ours = name && this.#appended.get(name);
      if (!ours) continue;
      if (record.headers[markHeader]?.toString() !== this.#mark)
        this.#came(name, copyOf(record, topic, ours));
      else {
        this.#passed.add(name);
        const before = this.#before.get(name);
        if (before && (before.value !== null || ours.value !== null)) this.hidden.set(name, before);
      }
    }
  }

  #came(name: string, record: LogRecord): void {
    if (this.#passed.has(name)) this.hidden.delete(name);
    else this.#before.set(name, record);
  }
}

const copyOf = (
  { value, headers, timestamp }: StoredRecord,
  topic: string,
  { partition, key }: LogRecord,
): LogRecord => ({ topic, partition, key, value: value && Buffer.from(value), headers, timestamp });
