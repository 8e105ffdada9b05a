import type Database from 'better-sqlite3';
import { partitionTable } from './database.ts';
import type { Topic } from './topics.ts';

/** How long a tombstone stays, so that every view has time to see it. */
export const deleteRetentionMs = 24 * 3_600_000;

/**
 * Does a topic's cleaning: `compact` keeps the newest record of each key and drops tombstones older than
 * `deleteRetentionMs`; `delete` drops what is older than the topic's retention. Offsets are never used again.
 * Returns the number of records removed. Blocks for as long as it takes, about a second per million records.
 */
export function clean(
  db: Database.Database,
  topic: Topic,
  options: { now: number; deleteRetentionMs?: number },
): number {
  let removed = 0;
  for (let partition = 0; partition < topic.partitions; partition++) {
    const table = partitionTable(topic.id, partition);
    db.transaction(() => {
      if (topic.cleanup === 'compact') {
        removed += db
          .prepare(
            `delete from ${table} where key is not null and offset not in (select max(offset) from ${table} group by key)`,
          )
          .run().changes;
        const before = options.now - (options.deleteRetentionMs ?? deleteRetentionMs);
        removed += db
          .prepare(`delete from ${table} where value is null and timestamp < ?`)
          .run(before).changes;
      } else if (topic.retentionMs >= 0) {
        // Only from the front, so that what is left has no holes.
        const keep = db
          .prepare<[number], number | null>(`select min(offset) from ${table} where timestamp >= ?`)
          .pluck()
          .get(options.now - topic.retentionMs);
        removed += db
          .prepare(`delete from ${table} where offset < coalesce(?, 9e15)`)
          .run(keep ?? null).changes;
      }
    }).immediate();
  }
  return removed;
}
