import type pg from 'pg';
import type { BarrierEmitter } from '../barriers.ts';
import { attempt, connect } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { classifyPostgres } from './pg-errors.ts';
import { barrierPrefix } from './pgoutput.ts';

const doing = 'writing a barrier';

/**
 * Writes barriers as logical messages, over one connection that is opened when first needed and again after it
 * broke. The role needs no more than to connect.
 *
 * A message that nothing flushes reaches the slot only with the next commit or the walwriter's next round, up to
 * 0.2 s later. From Postgres 17 it can be flushed itself; before that it has to be a transaction, whose commit is.
 * https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
 */
export function postgresBarriers(options: Pick<PostgresSourceOptions, 'url' | 'slot'>): BarrierEmitter {
  let opened: Promise<{ client: pg.Client; sql: string }> | null = null;
  const open = async () => {
    const client = await connect(options, doing);
    client.once('end', () => {
      opened = null;
    });
    const { rows } = await client.query<{ n: string }>(`select current_setting('server_version_num') as n`);
    const flushes = Number(rows[0]!.n) >= 170_000;
    const sql = `select pg_logical_emit_message(${flushes ? 'false' : 'true'}, '${barrierPrefix}', $1::text${flushes ? ', true' : ''})`;
    return { client, sql };
  };
  return {
    async emit(id) {
      try {
        opened ??= open();
        const { client, sql } = await opened;
        await client.query(sql, [JSON.stringify({ id })]);
      } catch (error) {
        const broken = opened;
        opened = null;
        await broken?.then(({ client }) => client.end()).catch(() => {});
        throw classifyPostgres(error, attempt(options, doing));
      }
    },
    async close() {
      const closing = opened;
      opened = null;
      await closing?.then(({ client }) => client.end()).catch(() => {});
    },
  };
}
