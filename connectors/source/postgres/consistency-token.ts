import { parseLsn } from '../../../core/lsn.ts';
import { formatToken, type Token } from '../token.ts';

/** As much of a `pg` client or pool as is needed. */
export interface Queryable {
  query(sql: string): Promise<{ rows: { lsn: string }[] }>;
}

/**
 * The token of what was written with this client, inside the transaction or after its commit. Hand it on once the
 * transaction is committed: a read that begins after the commit and is given the token sees the write.
 *
 * @param source the source's name in the config
 */
export async function consistencyToken(client: Queryable, source: string): Promise<Token> {
  const { rows } = await client.query('select pg_current_wal_lsn()::text as lsn');
  return formatToken(source, parseLsn(rows[0]!.lsn));
}
