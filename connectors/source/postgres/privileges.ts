import type pg from 'pg';
import { type CatalogTable, quoteQualified } from './catalog.ts';
import { quoteIdent } from './connection.ts';
import type { Problem } from './publication.ts';
import { qualifiedName } from './tables.ts';

/** Schemas of these `schema.table` names that the role may not use; Postgres refuses to name a table in them at all. */
export async function schemaProblem(client: pg.Client, names: readonly string[]): Promise<Problem | null> {
  const { rows } = await client.query(
    `select current_user as "user", nspname as schema from pg_namespace
     where nspname = any($1) and not has_schema_privilege(oid, 'USAGE') order by 2`,
    [names.map((name) => name.slice(0, name.indexOf('.')))],
  );
  if (rows.length === 0) return null;
  const schemas = rows.map((row) => quoteIdent(row.schema)).join(', ');
  const [{ user }] = rows;
  return {
    message: `The role "${user}" may not use the schema ${schemas}.`,
    mend: `GRANT USAGE ON SCHEMA ${schemas} TO ${quoteIdent(user)};`,
  };
}

/** Why the role would not see every row of these tables, by their names; those that it reads are not in it. */
export async function readingProblems(
  client: pg.Client,
  tables: readonly CatalogTable[],
): Promise<Map<string, Problem>> {
  const { rows } = await client.query(
    `select current_user as "user",
            (select json_agg(n) from unnest($1::text[], $2::text[]) as t(n, sql)
             where row_security_active(to_regclass(sql))) as hidden`,
    [tables.map(qualifiedName), tables.map((t) => quoteQualified(qualifiedName(t)))],
  );
  const { user } = rows[0];
  const hidden: string[] = JSON.parse(rows[0].hidden ?? '[]');
  const problems = new Map<string, Problem>();
  for (const table of tables) {
    const name = qualifiedName(table);
    if (!table.selectable)
      problems.set(name, {
        message: `The role "${user}" may not read ${name}.`,
        mend: `GRANT SELECT ON ${quoteQualified(name)} TO ${quoteIdent(user)};`,
      });
    else if (hidden.includes(name))
      problems.set(name, {
        message: `Row security hides rows of ${name} from the role "${user}", so its snapshot would lack them.`,
        mend: `ALTER ROLE ${quoteIdent(user)} BYPASSRLS;`,
      });
  }
  return problems;
}
