import { InsideoutError } from '../../core/errors.ts';
import { closed } from '../closed.ts';
import type { FencedWriter, LogRecord } from '../log.ts';
import type { AppenderParts } from './appender.ts';
import { classifySqlite } from './database.ts';

/**
 * Takes over the id by raising its epoch in the file. Each append checks the epoch in its own transaction, so no
 * other process can take over between the check and the commit.
 */
export function openFencedWriter(parts: AppenderParts, id: string): FencedWriter {
  const { db, writer, path } = parts;
  const raise = db
    .prepare<[string], number>(
      'insert into fences values (?, 1) on conflict do update set epoch = epoch + 1 returning epoch',
    )
    .pluck();
  const mine = db.transaction(() => raise.get(id)).immediate();
  const current = db.prepare<[string], number>('select epoch from fences where id = ?').pluck();
  let failed: InsideoutError | null = null;
  return {
    async append(records: readonly LogRecord[]): Promise<void> {
      if (failed) throw failed;
      if (!db.open) throw closed();
      try {
        db.transaction(() => {
          if (current.get(id) !== mine) throw fenced(id);
          writer.write([records]);
        }).immediate();
      } catch (error) {
        failed = classifySqlite(error, path);
        throw failed;
      }
      parts.appended();
    },
    async close(): Promise<void> {
      failed ??= closed();
    },
  };
}

function fenced(id: string): InsideoutError {
  return new InsideoutError('LOG_FENCED', `Another process took over appending as "${id}".`, {
    hint: 'Let that process work; if both are meant to run, give them different groups.',
  });
}
