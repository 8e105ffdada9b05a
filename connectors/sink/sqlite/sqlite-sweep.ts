import { setTimeout as wait } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { shortestPauseMs } from './sqlite-database.ts';
import { firstSlice, nextSlice } from './sqlite-drop.ts';
import { tableOf } from './sqlite-tables.ts';
import { quote } from './sqlite-values.ts';

/**
 * When a row ends, in milliseconds since 1970, null when it does not. Reads leave out what has ended, so the sweep
 * may come late, or twice.
 */
export const endColumn = '"_expires"';

/** Finds the ends of a view with a `ttl`. */
export const endIndexDdl = (view: ViewShape, id: GenerationId): string =>
  `create index if not exists ${quote(`${view.name}__g${id}__expires`)} on ${tableOf(view.name, id)} (${endColumn}) where ${endColumn} is not null`;

/** The rows that readers of the SQL view see. Also for versions of SQLite without `unixepoch('subsec')`. */
export const endsLater = `(${endColumn} is null or ${endColumn} > (julianday('now') - 2440587.5) * 86400000)`;

export interface Sweep {
  readonly db: Database.Database;
  readonly view: ViewShape;
  readonly id: GenerationId;
  readonly now: () => number;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

/**
 * Deletes the rows that have ended, at once and then every so often, in slices between which others use the file;
 * until the signal aborts or the table is gone. A file that is locked is left for the next time.
 */
export async function sweepUntilAborted({ db, view, id, now, everyMs, signal }: Sweep): Promise<void> {
  const table = tableOf(view.name, id);
  const exists = db.prepare<[string]>("select 1 from sqlite_schema where type = 'table' and name = ?");
  try {
    for (;;) {
      for (let rows = firstSlice; ; ) {
        if (exists.get(`${view.name}__g${id}`) === undefined) return;
        const began = performance.now();
        const removed = removeEnded(db, table, { now: now(), rows });
        const took = performance.now() - began;
        if (removed < rows) break;
        rows = nextSlice(rows, took);
        await wait(Math.max(shortestPauseMs, took), undefined, { signal });
      }
      await wait(everyMs, undefined, { signal, ref: false });
    }
  } catch {
    // Aborted, or the file is closed or broken, which whoever writes to the view finds out, too.
  }
}

function removeEnded(
  db: Database.Database,
  table: string,
  { now, rows }: { now: number; rows: number },
): number {
  try {
    return db.prepare(`delete from ${table} where ${endColumn} <= ? limit ?`).run(now, rows).changes;
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return 0;
    throw error;
  }
}
