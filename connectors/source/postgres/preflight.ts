import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import { absences } from './absent-tables.ts';
import { type CatalogTable, namedTables, publishedTables } from './catalog.ts';
import { quoteIdent, withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { readingProblems, schemaProblem } from './privileges.ts';
import { creationProblem, type Problem, publicationProblem, readPublication } from './publication.ts';
import { identityProblem } from './table-problems.ts';
import { qualifiedName } from './tables.ts';

/**
 * Refuses a database that cannot be captured, before anything is created in it: wal_level, the role, the
 * publication, the tables' keys. Returns the tables, and whether the publication is still to be created.
 */
export async function preflight(
  client: pg.Client,
  options: PostgresSourceOptions,
): Promise<{ tables: CatalogTable[]; create: boolean }> {
  const { rows } = await client.query(
    `select current_setting('wal_level') as wal_level, current_user as "user", current_setting('server_version_num')::int as version,
            (select rolreplication or rolsuper from pg_roles where rolname = current_user) as replication`,
  );
  const { wal_level, user, replication, version } = rows[0];
  const old = versionProblem(Number(version));
  if (old) throw refuse('SOURCE_VERSION', old.message, old.mend);
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

  const publication = await readPublication(client, options.publication);
  const exists = publication !== null;
  if (!exists && !options.tables)
    throw refuse(
      'SOURCE_PUBLICATION_MISSING',
      `The publication "${options.publication}" does not exist.`,
      `Run: CREATE PUBLICATION ${quoteIdent(options.publication)} FOR TABLE ...; or list \`tables\` in the source's config, and it is created for them.`,
    );
  const incomplete = publication && publicationProblem(publication, options);
  if (incomplete) throw refuseFor('SOURCE_PUBLICATION_MISSING', [incomplete]);
  const published = exists ? await publishedTables(client, options.publication) : null;
  const closed = await schemaProblem(client, published?.map(qualifiedName) ?? options.tables ?? []);
  if (closed) throw refuseFor('SOURCE_PERMISSION', [closed]);
  const tables = published ?? (await namedTables(client, options.tables ?? []));
  const present = new Set(tables.map(qualifiedName));
  const missing = (options.tables ?? []).filter((name) => !present.has(name));
  const absent = await absences(client, missing, options);
  if (absent.length > 0)
    throw refuse(
      'SOURCE_PUBLICATION_MISSING',
      absent.map((a) => a.message).join(' '),
      [...new Set(absent.map((a) => (a.statement ? `Run: ${a.mend}` : a.mend)))].join(' '),
    );
  const problems = tables.map(identityProblem).filter((p) => p !== null);
  if (problems.length > 0) throw refuseFor('SOURCE_REPLICA_IDENTITY', problems);
  const unreadable = [...(await readingProblems(client, tables)).values()];
  if (unreadable.length > 0) throw refuseFor('SOURCE_PERMISSION', unreadable);
  const uncreatable = exists ? null : await creationProblem(client, options);
  if (uncreatable) throw refuseFor('SOURCE_PERMISSION', [uncreatable]);
  return { tables, create: !exists };
}

/**
 * Why a server of this `server_version_num` cannot be captured, if so: from 15 on the catalog tells which columns and
 * rows a publication has. https://www.postgresql.org/docs/15/release-15.html
 */
export const versionProblem = (version: number): Problem | null =>
  version >= 150_000
    ? null
    : {
        message: `PostgreSQL ${Math.floor(version / 10_000)} is too old; 15 and later can be captured.`,
        mend: 'Upgrade it: https://www.postgresql.org/support/versioning/ tells which versions are maintained.',
      };

/** The same, asked from outside. */
export async function checkDatabase(options: PostgresSourceOptions): Promise<void> {
  await withClient(options, 'checking the database', (client) => preflight(client, options));
}

type Code = ConstructorParameters<typeof InsideoutError>[0];

const refuse = (code: Code, message: string, hint: string): InsideoutError =>
  new InsideoutError(code, message, { hint });

const refuseFor = (code: Code, problems: readonly Problem[]): InsideoutError =>
  refuse(
    code,
    problems.map((p) => p.message).join(' '),
    `Run: ${[...new Set(problems.map((p) => p.mend))].join(' ')}`,
  );
