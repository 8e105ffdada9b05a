import type Database from 'better-sqlite3';
import { partitionTable, truncateWal } from './database.ts';
import type { Topic } from './topics.ts';

/** How long a tombstone stays after it was first part of a cleaning, so that every view has time to see it. */
export const deleteRetentionMs = 24 * 3_600_000;

export interface CleaningOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly deleteRetentionMs?: number;
}

/**
 * Does a topic's cleaning: `compact` keeps the newest record of each key and drops old tombstones; what is older
 * than the topic's retention goes. Offsets are never used again. Returns the number of records removed; their bytes
 * are overwritten. Blocks for as long as it takes, about a second per million records.
 */
export function clean(db: Database.Database, topic: Topic, options: CleaningOptions): number {
  return eachPartition(db, topic, (partition) => cleanPartition(db, topic, { ...options, partition }));
}

/** The part of it that goes by age alone, which costs no more than what it removes. */
export function expire(db: Database.Database, topic: Topic, { now }: CleaningOptions): number {
  return eachPartition(db, topic, (partition) =>
    db.transaction(() => expirePartition(db, topic, partition, now)).immediate(),
  );
}

function eachPartition(
  db: Database.Database,
  { partitions }: Topic,
  work: (partition: number) => number,
): number {
  let removed = 0;
  for (let partition = 0; partition < partitions; partition++) removed += work(partition);
  if (removed > 0) truncateWal(db);
  return removed;
}

/** `clean` for one partition. The write-ahead log still has the pages as they were before. */
export function cleanPartition(
  db: Database.Database,
  topic: Topic,
  options: CleaningOptions & { readonly partition: number },
): number {
  const { partition } = options;
  const at = { topicId: topic.id, partition, table: partitionTable(topic.id, partition) };
  return db
    .transaction(() => {
      const superseded = topic.cleanup === 'compact' ? compact(db, at, options) : 0;
      return superseded + expirePartition(db, topic, partition, options.now);
    })
    .immediate();
}

interface At {
  readonly topicId: number;
  readonly partition: number;
  readonly table: string;
}

function compact(db: Database.Database, at: At, options: CleaningOptions): number {
  const newest = `select max(offset) from ${at.table} group by key`;
  const overwritten = db
    .prepare(`delete from ${at.table} where key is not null and offset not in (${newest})`)
    .run().changes;
  return overwritten + dropTombstones(db, at, options);
}

/**
 * A tombstone's own time is that of the change, which may be long ago when the source had to catch up; a view
 * must have the whole retention to see it nevertheless. So what counts is when a cleaning first met it.
 */
function dropTombstones(db: Database.Database, at: At, options: CleaningOptions): number {
  const end = db
    .prepare<[number, number], number>('select next from ends where topic_id = ? and partition = ?')
    .pluck()
    .get(at.topicId, at.partition);
  db.prepare('insert or replace into cleanings (topic_id, partition, at, through) values (?, ?, ?, ?)').run(
    at.topicId,
    at.partition,
    options.now,
    end ?? 0,
  );
  const before = options.now - (options.deleteRetentionMs ?? deleteRetentionMs);
  const horizon = db
    .prepare<[number, number, number], number | null>(
      'select max(through) from cleanings where topic_id = ? and partition = ? and at <= ?',
    )
    .pluck()
    .get(at.topicId, at.partition, before);
  if (horizon === null || horizon === undefined) return 0;
  // Of the cleanings that are old enough, only the one that reached furthest says anything.
  db.prepare('delete from cleanings where topic_id = ? and partition = ? and at <= ? and through < ?').run(
    at.topicId,
    at.partition,
    before,
    horizon,
  );
  return db.prepare(`delete from ${at.table} where value is null and offset < ?`).run(horizon).changes;
}

/**
 * Only from the front, so that it has made no holes in what is left. How far it went is kept: in a compacted topic
 * nobody could see it otherwise.
 */
function expirePartition(db: Database.Database, topic: Topic, partition: number, now: number): number {
  if (topic.retentionMs < 0) return 0;
  const table = partitionTable(topic.id, partition);
  const young = db
    .prepare<[number], number>(`select offset from ${table} where timestamp >= ? order by offset limit 1`)
    .pluck()
    .get(now - topic.retentionMs);
  const keep =
    young ??
    db
      .prepare<[number, number], number>('select next from ends where topic_id = ? and partition = ?')
      .pluck()
      .get(topic.id, partition) ??
    0;
  const { changes } = db.prepare(`delete from ${table} where offset < ?`).run(keep);
  if (changes > 0)
    db.prepare('insert or replace into expired (topic_id, partition, through) values (?, ?, ?)').run(
      topic.id,
      partition,
      keep,
    );
  return changes;
}
