import type pg from 'pg';
import { quoteIdent } from './connection.ts';
import type { Problem } from './publication.ts';

const firstLookMs = 2_000;
const lookMs = 30_000;

/**
 * Tells of the transactions that a new slot waits for, after two seconds and then twice a minute, until it is told to
 * stop: Postgres makes a slot only when all that write, and began before it, have ended, and says nothing meanwhile.
 * https://www.postgresql.org/docs/current/logicaldecoding-explanation.html#LOGICALDECODING-SNAPSHOT-BUILDER
 */
export function watchSlotCreation(
  client: pg.Client,
  slot: { readonly name: string; readonly pid: number },
  tell: (waiting: Problem) => void,
): { stop(): void } {
  let timer = setTimeout(look, firstLookMs);
  let stopped = false;
  async function look(): Promise<void> {
    try {
      const { rows } = await client.query<{ pid: number; user: string; since: string }>(
        `select pid, usename as "user", to_char(xact_start, 'YYYY-MM-DD HH24:MI:SSOF') as since
         from pg_stat_activity where pid = any(pg_blocking_pids($1)) and xact_start is not null`,
        [slot.pid],
      );
      if (stopped) return;
      if (rows.length > 0) tell(sentence(slot.name, rows));
    } catch {
      // Whatever is wrong with the connection shows in the next statement that matters.
    }
    if (!stopped) timer = setTimeout(look, lookMs);
  }
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const sentence = (slot: string, rows: readonly { pid: number; user: string; since: string }[]): Problem => ({
  message: `The slot "${slot}" is made when transactions that began before have ended: ${rows
    .map(({ pid, user, since }) => `process ${pid} of ${quoteIdent(user)}, since ${since}`)
    .join('; ')}.`,
  mend: `Wait, or end what hangs: ${rows.map(({ pid }) => `SELECT pg_terminate_backend(${pid});`).join(' ')}`,
});
