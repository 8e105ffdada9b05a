import type pg from 'pg';
import { quoteQualified } from './catalog.ts';
import { quoteIdent, quoteText } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';

/** What is wrong, and the statement that mends it. */
export interface Problem {
  readonly message: string;
  readonly mend: string;
}

/** What a publication publishes; pg_publication. */
export interface Publication {
  readonly inserts: boolean;
  readonly updates: boolean;
  readonly deletes: boolean;
  readonly truncates: boolean;
}

/** Null when there is none of that name in this database. */
export async function readPublication(client: pg.Client, name: string): Promise<Publication | null> {
  const { rows } = await client.query(
    'select pubinsert, pubupdate, pubdelete, pubtruncate from pg_publication where pubname = $1',
    [name],
  );
  const row = rows[0];
  return row
    ? {
        inserts: row.pubinsert === 't',
        updates: row.pubupdate === 't',
        deletes: row.pubdelete === 't',
        truncates: row.pubtruncate === 't',
      }
    : null;
}

/** Why the publication keeps changes back that views need; null when it does not. */
export function publicationProblem(
  published: Publication,
  { publication, truncate }: PostgresSourceOptions,
): Problem | null {
  const missing = (['inserts', 'updates', 'deletes', 'truncates'] as const).filter(
    (what) => !published[what] && !(what === 'truncates' && truncate === 'ignore'),
  );
  if (missing.length === 0) return null;
  return {
    message: `The publication "${publication}" leaves out ${missing.join(' and ')}, so views would be wrong for ever.`,
    mend: `ALTER PUBLICATION ${quoteIdent(publication)} SET (publish = 'insert, update, delete, truncate');`,
  };
}

/**
 * Why this role cannot create the publication; null when it can. It needs CREATE on the database, and to own the
 * tables. https://www.postgresql.org/docs/current/sql-createpublication.html
 */
export async function creationProblem(
  client: pg.Client,
  options: PostgresSourceOptions,
): Promise<Problem | null> {
  const { rows } = await client.query(
    `select current_user as "user", current_database() as database,
            has_database_privilege(current_database(), 'CREATE') as may_create,
            (select json_agg(x) from unnest($1::text[], $2::text[]) as t(x, sql)
             join pg_class c on c.oid = to_regclass(sql) where not pg_has_role(c.relowner, 'USAGE')) as others`,
    [options.tables ?? [], (options.tables ?? []).map(quoteQualified)],
  );
  const { user, database, may_create, others } = rows[0];
  const reasons = [
    ...(may_create === 't' ? [] : [`may not create it in the database "${database}"`]),
    ...(others === null ? [] : [`does not own ${(JSON.parse(others) as string[]).join(', ')}`]),
  ];
  if (reasons.length === 0) return null;
  return {
    message: `The publication "${options.publication}" does not exist, and the role "${user}" ${reasons.join(' and ')}.`,
    mend: `${await statement(client, options)} -- as a superuser, or as the tables' owner with CREATE on the database`,
  };
}

export async function createPublication(client: pg.Client, options: PostgresSourceOptions): Promise<void> {
  await client.query(await statement(client, options));
  await client.query(
    `COMMENT ON PUBLICATION ${quoteIdent(options.publication)} IS ${quoteText('created by insideout')}`,
  );
}

/** Generated columns that are stored are published where Postgres can, from version 18 on. */
async function statement(client: pg.Client, { publication, tables }: PostgresSourceOptions): Promise<string> {
  const { rows } = await client.query(`select current_setting('server_version_num')::int >= 180000 as can`);
  const generated = rows[0].can === 't' ? ', publish_generated_columns = stored' : '';
  return `CREATE PUBLICATION ${quoteIdent(publication)} FOR TABLE ${(tables ?? []).map(quoteQualified).join(', ')} WITH (publish_via_partition_root = true${generated});`;
}
