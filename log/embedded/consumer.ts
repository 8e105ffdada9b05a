import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, partitionKey } from '../../core/position.ts';
import type { ConsumeRequest, RecordBatch, StoredRecord } from '../log.ts';
import { partitionTable } from './database.ts';
import { GroupMember, heartbeatMs } from './group.ts';
import { HeadersDecoder } from './headers.ts';
import type { Topic, Topics } from './topics.ts';

/** What one read takes at most. */
const maxRecords = 4_000;
const maxBytes = 2 << 20;

interface Row {
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: Buffer | null;
  timestamp: number;
}

interface Reader {
  readonly topic: Topic;
  readonly partition: number;
  readonly select: Database.Statement<[number, number], Row>;
  /** Null while the partition is another member's. */
  next: Offset | null;
}

export interface ConsumerParts {
  readonly db: Database.Database;
  readonly topics: Topics;
  /** Resolves when something may have been appended, by anybody, or after `ms`. */
  changed(ms: number, signal: AbortSignal): Promise<void>;
}

/** Reads partitions in turn, so that none starves another. */
export async function* consume(parts: ConsumerParts, request: ConsumeRequest): AsyncGenerator<RecordBatch> {
  const readers = openReaders(parts, request.topics);
  const partitions = readers.map((r) => ({ topic: r.topic.name, partition: r.partition }));
  const member = request.group === undefined ? null : new GroupMember(parts.db, request.group, partitions);
  const decoder = new HeadersDecoder();
  let beat = 0;
  try {
    while (!request.signal.aborted) {
      if (Date.now() - beat >= heartbeatMs) {
        beat = Date.now();
        await assign(readers, member, request);
      }
      let delivered = false;
      for (const reader of readers) {
        if (reader.next === null) continue;
        const batch = read(parts.db, reader, decoder);
        if (batch.next === reader.next) continue;
        if (member && !member.holds(keyOf(reader), Date.now())) break;
        reader.next = batch.next;
        delivered = true;
        yield batch;
        if (request.signal.aborted) return;
        if (Date.now() - beat >= heartbeatMs) break;
      }
      if (!delivered) await parts.changed(heartbeatMs, request.signal);
    }
  } finally {
    if (member && parts.db.open) member.leave();
  }
}

const keyOf = (reader: Reader) => partitionKey(reader.topic.name, reader.partition);

async function assign(
  readers: readonly Reader[],
  member: GroupMember | null,
  request: ConsumeRequest,
): Promise<void> {
  // Leases that ran out may have passed to another member and back: then everything is claimed anew.
  if (member?.expired(Date.now())) for (const reader of readers) revoke(reader, request);
  const held = member?.heartbeat(Date.now());
  for (const reader of readers) {
    const mine = held ? held.has(keyOf(reader)) : true;
    if (!mine) revoke(reader, request);
    else if (mine && reader.next === null)
      reader.next = await request.from(reader.topic.name, reader.partition);
  }
}

function revoke(reader: Reader, request: ConsumeRequest): void {
  if (reader.next === null) return;
  reader.next = null;
  request.revoked?.(reader.topic.name, reader.partition);
}

function openReaders({ db, topics }: ConsumerParts, names: readonly string[]): Reader[] {
  return names.flatMap((name) => {
    const topic = topics.get(name);
    return Array.from({ length: topic.partitions }, (_, partition) => ({
      topic,
      partition,
      select: db.prepare<[number, number], Row>(
        `select offset, key, value, headers, timestamp from ${partitionTable(topic.id, partition)} where offset >= ? order by offset limit ?`,
      ),
      next: null,
    }));
  });
}

function read(db: Database.Database, reader: Reader, decoder: HeadersDecoder): RecordBatch {
  const { topic, partition } = reader;
  const from = reader.next ?? 0;
  // The end first: what is appended in between is then part of the next batch's lag, never skipped.
  const end = db
    .prepare<[number, number], { next: number }>('select next from ends where topic_id = ? and partition = ?')
    .get(topic.id, partition)!.next;
  if (from >= end) return { topic: topic.name, partition, records: [], next: from, end };
  const records: StoredRecord[] = [];
  let bytes = 0;
  let whole = true;
  for (const row of reader.select.iterate(from, maxRecords)) {
    records.push({
      offset: row.offset,
      key: row.key,
      value: row.value,
      headers: decoder.decode(row.headers),
      timestamp: row.timestamp,
    });
    bytes += (row.key?.length ?? 0) + (row.value?.length ?? 0);
    if (bytes >= maxBytes) {
      whole = false;
      break;
    }
  }
  const first = records[0]?.offset ?? end;
  if (first > from && topic.cleanup === 'delete') throw gap(topic.name, partition, from);
  const last = records.at(-1);
  const next =
    last === undefined || (whole && records.length < maxRecords)
      ? Math.max(end, (last?.offset ?? 0) + 1)
      : last.offset + 1;
  return { topic: topic.name, partition, records, next, end };
}

function gap(topic: string, partition: number, from: Offset): InsideoutError {
  return new InsideoutError(
    'VIEW_CHECKPOINT_GAP',
    `The Log no longer holds offset ${from} of ${topic}, partition ${partition}.`,
    { hint: 'Rebuild the view from the oldest offset, and give the topic a longer retention.' },
  );
}
