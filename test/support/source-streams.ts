import type { TestDatabase } from './database.ts';
import { eventually } from './eventually.ts';

/**
 * Resolves when the source of this slot streams, and no longer makes it: a slot that is merely there, or active, may
 * still be waiting for open transactions, and what is committed meanwhile comes with the snapshot.
 */
export const sourceStreams = (db: TestDatabase, slot: string): Promise<unknown> =>
  eventually('the source streams', async () => {
    const { rowCount } = await db.client.query(
      `select from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid
        where s.slot_name = $1 and s.confirmed_flush_lsn is not null and r.state = 'streaming'`,
      [slot],
    );
    return rowCount === 1;
  });
