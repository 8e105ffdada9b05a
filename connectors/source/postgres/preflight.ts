import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import {
  type CatalogTable,
  identityProblem,
  namedTables,
  publishedTables,
  quoteQualified,
} from './catalog.ts';
import { quoteIdent, quoteText } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';

/**
 * Refuses a database that cannot be captured, before anything is created in it: wal_level, the role, the
 * publication, the tables' keys. Returns the tables, and whether the publication is still to be created.
 */
export async function preflight(
  client: pg.Client,
  options: PostgresSourceOptions,
): Promise<{ tables: CatalogTable[]; create: boolean }> {
  const { rows } = await client.query(
    `select current_setting('wal_level') as wal_level, current_user as "user",
            (select rolreplication or rolsuper from pg_roles where rolname = current_user) as replication,
            exists (select from pg_publication where pubname = $1) as published`,
    [options.publication],
  );
  const { wal_level, user, replication, published } = rows[0];
  if (wal_level !== 'logical')
    throw refuse(
      'SOURCE_WAL_LEVEL',
      `wal_level is "${wal_level}", so Postgres writes no logical changes.`,
      "Run: ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres.",
    );
  if (replication !== 't')
    throw refuse(
      'SOURCE_PERMISSION',
      `The role "${user}" may not replicate.`,
      `Run: ALTER ROLE ${quoteIdent(user)} REPLICATION;`,
    );

  const exists = published === 't';
  if (!exists && !options.tables)
    throw refuse(
      'SOURCE_PUBLICATION_MISSING',
      `The publication "${options.publication}" does not exist.`,
      `Run: CREATE PUBLICATION ${quoteIdent(options.publication)} FOR TABLE ...; or list \`tables\` in the source's config, and it is created for them.`,
    );
  const tables = exists
    ? await publishedTables(client, options.publication)
    : await namedTables(client, options.tables ?? []);
  const present = new Set(tables.map((t) => `${t.schema}.${t.table}`));
  const missing = (options.tables ?? []).filter((name) => !present.has(name));
  if (missing.length > 0)
    throw exists
      ? refuse(
          'SOURCE_PUBLICATION_MISSING',
          `The publication "${options.publication}" lacks ${missing.join(', ')}.`,
          `Run: ALTER PUBLICATION ${quoteIdent(options.publication)} ADD TABLE ${missing.map(quoteQualified).join(', ')};`,
        )
      : refuse(
          'SOURCE_PUBLICATION_MISSING',
          `There is no table ${missing.join(', ')}.`,
          "Correct `tables` in the source's config; names are written schema.table.",
        );
  const problems = tables.map(identityProblem).filter((p) => p !== null);
  if (problems.length > 0)
    throw refuse(
      'SOURCE_REPLICA_IDENTITY',
      problems.map((p) => p.message).join(' '),
      `Run: ${problems.map((p) => p.mend).join(' ')}`,
    );
  const unreadable = tables.filter((t) => !t.selectable);
  if (unreadable.length > 0)
    throw refuse(
      'SOURCE_PERMISSION',
      `The role "${user}" may not read ${unreadable.map((t) => `${t.schema}.${t.table}`).join(', ')}.`,
      `Run: GRANT SELECT ON ${unreadable.map((t) => quoteQualified(`${t.schema}.${t.table}`)).join(', ')} TO ${quoteIdent(user)};`,
    );
  return { tables, create: !exists };
}

export async function createPublication(client: pg.Client, options: PostgresSourceOptions): Promise<void> {
  const tables = (options.tables ?? []).map(quoteQualified).join(', ');
  await client.query(
    `CREATE PUBLICATION ${quoteIdent(options.publication)} FOR TABLE ${tables} WITH (publish_via_partition_root = true)`,
  );
  await client.query(
    `COMMENT ON PUBLICATION ${quoteIdent(options.publication)} IS ${quoteText('created by insideout')}`,
  );
}

function refuse(
  code: ConstructorParameters<typeof InsideoutError>[0],
  message: string,
  hint: string,
): InsideoutError {
  return new InsideoutError(code, message, { hint });
}
