import { setImmediate as immediate } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, partitionKey } from '../../core/position.ts';
import { closed } from '../closed.ts';
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
  // The leases also have to last while a batch is worked on.
  const renewal = member && setInterval(() => renew(parts.db, member), heartbeatMs);
  let beat = 0;
  let turn = 0;
  let idle = 0;
  try {
    while (!request.signal.aborted) {
      if (!parts.db.open) throw closed();
      if (Date.now() - beat >= heartbeatMs) {
        await assign(readers, member, request);
        beat = Date.now();
        // Something may have been appended to a partition that was already looked at.
        idle = 0;
      }
      const reader = readers[turn++ % readers.length];
      const batch = reader && reader.next !== null ? read(parts.db, reader, decoder) : null;
      if (reader && batch && batch.next !== reader.next) {
        idle = 0;
        if (member && !member.holds(keyOf(reader), Date.now())) {
          beat = 0;
          continue;
        }
        reader.next = batch.next;
        yield batch;
        // SQLite answers at once, so without this a reader that is far behind, and a store that is SQLite too,
        // would never let timers, signals and the other views have their turn.
        await immediate();
      } else if (++idle >= readers.length) {
        idle = 0;
        await parts.changed(heartbeatMs, request.signal);
      }
    }
  } finally {
    if (renewal) clearInterval(renewal);
    if (member && parts.db.open) member.leave();
  }
}

/** A file that stays locked lets the leases run out, which the next heartbeat finds. */
function renew(db: Database.Database, member: GroupMember): void {
  try {
    if (db.open) member.renew(Date.now());
  } catch {
    // Nobody waits for this failure; the reading itself meets the same one and throws it.
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
    .get(topic.id, partition)?.next;
  if (end === undefined) throw deleted(topic.name);
  if (from > end) throw pastEnd(topic.name, partition, from);
  if (from === end) return { topic: topic.name, partition, records: [], next: from, end };
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
  if (first > from && forgotten(db, reader, from)) throw gap(topic.name, partition, from);
  const last = records.at(-1);
  const next =
    last === undefined || (whole && records.length < maxRecords)
      ? Math.max(end, (last?.offset ?? 0) + 1)
      : last.offset + 1;
  return { topic: topic.name, partition, records, next, end: Math.max(end, next) };
}

/**
 * True when records from this offset on were forgotten because of their age. What a compacted topic lacks otherwise was
 * overwritten, and whoever begins it at its beginning is to have what is left.
 */
function forgotten(db: Database.Database, { topic, partition }: Reader, from: Offset): boolean {
  if (topic.cleanup === 'delete') return true;
  const through = db
    .prepare<[number, number], number>('select through from expired where topic_id = ? and partition = ?')
    .pluck()
    .get(topic.id, partition);
  return from > 0 && through !== undefined && from < through;
}

function deleted(topic: string): InsideoutError {
  return new InsideoutError('LOG_TOPIC', `The topic "${topic}" was deleted while it was read.`, {
    hint: 'Read the topic that took its place, or start what writes it.',
  });
}

function gap(topic: string, partition: number, from: Offset): InsideoutError {
  return new InsideoutError(
    'VIEW_CHECKPOINT_GAP',
    `The Log no longer holds offset ${from} of ${topic}, partition ${partition}.`,
    { hint: 'Rebuild the view from the oldest offset, and give the topic a longer retention.' },
  );
}

function pastEnd(topic: string, partition: number, from: Offset): InsideoutError {
  return new InsideoutError(
    'VIEW_CHECKPOINT_GAP',
    `Offset ${from} is past the end of ${topic}, partition ${partition}: the Log was created anew or lost records.`,
    { hint: 'Rebuild the view from the oldest offset, or put the right file back.' },
  );
}
