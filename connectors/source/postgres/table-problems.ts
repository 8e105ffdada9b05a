import { type CatalogTable, quoteQualified } from './catalog.ts';
import { quoteIdent } from './connection.ts';
import type { Problem } from './publication.ts';
import { qualifiedName } from './tables.ts';

/** Why a table cannot be captured, with the statement that mends it; null when it can. */
export function identityProblem(table: CatalogTable): Problem | null {
  const name = qualifiedName(table);
  const sql = quoteQualified(name);
  if (table.unlogged) return setLogged(name);
  const hasKey = table.columns.some((c) => c.key);
  if (table.replicaIdentity === 'n')
    return {
      message: `Table ${name} has replica identity NOTHING, so its updates and deletes cannot be captured.`,
      mend: hasKey ? `ALTER TABLE ${sql} REPLICA IDENTITY DEFAULT;` : addKey(sql),
    };
  const late = table.deferrableKey;
  if (late)
    return {
      message: `The primary key of ${name} is deferrable, so it tells no rows apart, and Postgres refuses updates and deletes of a published table that has no other.`,
      mend: `ALTER TABLE ${sql} DROP CONSTRAINT ${quoteIdent(late.constraint)}, ADD PRIMARY KEY (${late.columns.map(quoteIdent).join(', ')});`,
    };
  if (table.unpublishedKey.length > 0)
    return {
      message: `The publication leaves out ${table.unpublishedKey.join(', ')} of the key of ${name}.`,
      mend: publishColumns(table, table.unpublishedKey),
    };
  if (!hasKey)
    return {
      message: `Table ${name} has no primary key, so its rows cannot be told apart.`,
      mend: addKey(sql),
    };
  return null;
}

export const setLogged = (name: string): Problem => ({
  message: `Table ${name} is unlogged, so its changes are not in the WAL.`,
  mend: `ALTER TABLE ${quoteQualified(name)} SET LOGGED;`,
});

/** Generated columns that are not captured, by name, with what makes them so. */
export function uncapturedColumns(table: CatalogTable): ReadonlyMap<string, Problem> {
  return new Map(
    table.uncaptured.map(({ name, publishable }) => [
      name,
      {
        message: `The generated column ${qualifiedName(table)}.${name} is not captured: ${publishable ? 'the publication leaves it out' : 'Postgres cannot publish it'}.`,
        mend: publishable
          ? `${publishGenerated(table.publication)} -- rows that the Log has already get it with their next change`
          : 'Compute it in `row` of the view; or, from Postgres 18 on, make it STORED.',
      },
    ]),
  );
}

const publishGenerated = (publication: string | null): string =>
  `ALTER PUBLICATION ${quoteIdent(publication ?? '')} SET (publish_generated_columns = stored);`;

function publishColumns(
  { publication, uncaptured, ...table }: CatalogTable,
  names: readonly string[],
): string {
  if (names.every((name) => uncaptured.some((c) => c.name === name && c.publishable)))
    return publishGenerated(publication);
  const sql = quoteQualified(qualifiedName(table));
  const name = quoteIdent(publication ?? '');
  return `ALTER PUBLICATION ${name} DROP TABLE ${sql}; ALTER PUBLICATION ${name} ADD TABLE ${sql};`;
}

const addKey = (sql: string): string =>
  `ALTER TABLE ${sql} ADD PRIMARY KEY (...); or, with a unique index over NOT NULL columns: ALTER TABLE ${sql} REPLICA IDENTITY USING INDEX ...;`;
