import { setImmediate as immediate } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { partitionTable, truncateWal } from './database.ts';

/** Records that are removed before others have their turn; the file is locked for a few milliseconds each time. */
const sliceRecords = 2_000;

interface Dropped {
  readonly topicId: number;
  readonly partition: number;
}

/**
 * Removes the records of deleted topics, in slices, so that neither this process nor those that append have to
 * wait for long; the bytes are overwritten. Ends early when the file is closed: what is left is removed by whoever
 * calls this next, also in another process.
 */
export async function removeDropped(db: Database.Database): Promise<void> {
  let removed = false;
  for (let next = oldest(db); next; next = db.open ? oldest(db) : undefined) {
    while (db.open && db.transaction(slice).immediate(db, next)) await immediate();
    removed = true;
  }
  if (removed && db.open) truncateWal(db);
}

const oldest = (db: Database.Database): Dropped | undefined =>
  db.prepare<[], Dropped>('select topic_id as topicId, partition from dropped limit 1').get();

/** False once nothing of the partition is left. Asks first, because another process may do the same work. */
function slice(db: Database.Database, { topicId, partition }: Dropped): boolean {
  const mine = 'from dropped where topic_id = ? and partition = ?';
  if (!db.prepare(`select 1 ${mine}`).get(topicId, partition)) return false;
  const table = partitionTable(topicId, partition);
  const { changes } = db
    .prepare(`delete from ${table} where offset in (select offset from ${table} order by offset limit ?)`)
    .run(sliceRecords);
  if (changes === sliceRecords) return true;
  db.exec(`drop table ${table}`);
  db.prepare(`delete ${mine}`).run(topicId, partition);
  return false;
}
