import type Database from 'better-sqlite3';
import type { GenerationId } from '../../../core/view.ts';
import { tableOf } from './sqlite-tables.ts';
import { quote } from './sqlite-values.ts';

/**
 * A generation is dropped in steps, since SQLite has one writer at a time and overwrites what it deletes
 * (`secure_delete`): first it is marked, and nobody can claim it or write to it any more; then its rows go, a
 * slice at a time; then table and entry, in one step. Until then it is listed, so that a crash leaves something
 * that can be found and dropped again.
 */

/** The shape of a generation that is being dropped. */
export const dropped = '';

export const firstSlice = 500;
const largestSlice = 5_000;
const longestSliceMs = 20;

/** The size of the next slice: rows may be of any width, and what others wait for is the time. */
export function nextSlice(rows: number, tookMs: number): number {
  if (tookMs > longestSliceMs) return Math.max(1, rows >> 1);
  return tookMs < longestSliceMs / 3 ? Math.min(largestSlice, rows * 2) : rows;
}

/** Without checkpoints every claim is void. */
export function markDropped(db: Database.Database, view: string, id: GenerationId): void {
  db.prepare('update insideout_generations set shape = ? where view = ? and generation = ?').run(
    dropped,
    view,
    id,
  );
  db.prepare('delete from insideout_checkpoints where view = ? and generation = ?').run(view, id);
}

/**
 * Removes at most so many rows of a marked generation, and table and entry after the last. True when nothing is
 * left. Two may drop the same generation: a number that was opened anew meanwhile is not touched.
 */
export function sliceOf(db: Database.Database, view: string, id: GenerationId): (rows: number) => boolean {
  const table = tableOf(view, id);
  const marked = db
    .prepare('select 1 from insideout_generations where view = ? and generation = ? and shape = ?')
    .pluck();
  const key = db.prepare<[string], string>('select name from pragma_table_info(?) where pk > 0 order by pk');
  return db.transaction((rows: number): boolean => {
    if (marked.get(view, id, dropped) === undefined) return true;
    const columns = key.pluck().all(`${view}__g${id}`).map(quote).join(', ');
    const removed =
      columns === ''
        ? 0
        : db
            .prepare(`delete from ${table} where (${columns}) in (select ${columns} from ${table} limit ?)`)
            .run(rows).changes;
    if (removed === rows) return false;
    db.exec(`drop table if exists ${table}`);
    db.prepare('delete from insideout_generations where view = ? and generation = ?').run(view, id);
    return true;
  }).immediate;
}
