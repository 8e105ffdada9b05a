import type pg from 'pg';
import { quoteIdent, quoteText } from './connection.ts';

/** A published table as the catalog describes it now. */
export interface CatalogTable {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly {
    readonly name: string;
    readonly typeOid: number;
    /** pg_attribute.atttypmod. */
    readonly typmod: number;
    readonly key: boolean;
  }[];
  /** d, n, f or i: pg_class.relreplident. */
  readonly replicaIdentity: string;
  /** SQL condition of the publication's row filter, or null. */
  readonly rowFilter: string | null;
  readonly partitioned: boolean;
  readonly estimatedRows: number | null;
  readonly selectable: boolean;
  /** The publication that it was found in; null for one that is still to be created. */
  readonly publication: string | null;
  /** Its rows are not in the WAL. */
  readonly unlogged: boolean;
  /** Columns of the key that are not published. */
  readonly unpublishedKey: readonly string[];
  /** The primary key when it is checked late; then Postgres takes none for the replica identity. */
  readonly deferrableKey: { readonly constraint: string; readonly columns: readonly string[] } | null;
  /** Generated columns that changes do not carry, where all others are published; `publishable` when they could. */
  readonly uncaptured: readonly { readonly name: string; readonly publishable: boolean }[];
  /** Names the files that hold its rows: other ones after a change that wrote the table anew. */
  readonly storage: string;
}

/** Files of the relation `oid`, those of its partitions where it has some, as they are now whatever the snapshot. */
const storageOf = (oid: string): string =>
  `coalesce((select string_agg(pg_relation_filenode(l.relid)::text, ' ' order by l.relid)
     from pg_partition_tree(${oid}) l where l.isleaf), pg_relation_filenode(${oid})::text, '')`;

/** Postgres 18 and later can publish generated columns that are stored. */
const publishable = `(a.attgenerated = 's' and current_setting('server_version_num')::int >= 180000)`;

/** True for a column that changes carry; of a publication that is still to be created, will carry. */
const carried = `((p.pubname is null or a.attname = any(p.attnames)) and (a.attgenerated = '' or ${publishable}))`;

/** Columns that an index only includes are no part of the key. */
const inKey = `coalesce(a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1]), false)`;

/**
 * Key columns are those of the replica identity: the primary key, or the index it names. With FULL every column
 * would be one, so there the primary key is taken.
 */
const query = `
  select n.nspname as schema, c.relname as "table", c.relreplident as identity, c.relkind = 'p' as partitioned,
         case when c.reltuples < 0 then null else c.reltuples::bigint end as estimate,
         has_table_privilege(c.oid, 'SELECT') as selectable,
         p.rowfilter, p.pubname as publication, c.relpersistence = 'u' as unlogged,
         ${storageOf('c.oid')} as storage,
         coalesce(json_agg(json_build_object('name', a.attname, 'typeOid', a.atttypid::bigint, 'typmod', a.atttypmod,
           'key', ${inKey}) order by a.attnum) filter (where ${carried}), '[]') as columns,
         coalesce(json_agg(a.attname order by a.attnum) filter (where ${inKey} and not ${carried}), '[]') as unpublished_key,
         case when bool_and(a.attgenerated <> '' or ${carried})
           then json_agg(json_build_object('name', a.attname, 'publishable', ${publishable}) order by a.attnum)
             filter (where not ${carried}) end as uncaptured,
         (select json_build_object('constraint', o.conname, 'columns',
             (select json_agg(x.attname order by k.n) from unnest(o.conkey) with ordinality k(num, n)
              join pg_attribute x on x.attrelid = c.oid and x.attnum = k.num))
          from pg_constraint o where o.conrelid = c.oid and o.contype = 'p' and o.condeferrable
            and c.relreplident in ('d', 'f')) as deferrable_key
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_index i on i.indrelid = c.oid
    and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary and i.indimmediate end
  left join pg_publication_tables p on p.pubname = $1 and p.schemaname = n.nspname and p.tablename = c.relname
  where %WHERE%
  group by n.nspname, c.oid, c.relname, c.relreplident, c.relkind, c.reltuples, c.relpersistence, p.rowfilter, p.pubname
  order by 1, 2`;

export async function publishedTables(client: pg.Client, publication: string): Promise<CatalogTable[]> {
  return load(client, publication, 'p.pubname is not null', []);
}

/** The tables with these `schema.table` names that exist. */
export async function namedTables(client: pg.Client, names: readonly string[]): Promise<CatalogTable[]> {
  return load(
    client,
    '',
    `c.relkind in ('r', 'p') and c.oid = any(select to_regclass(x) from unnest($2::text[]) x)`,
    [names.map(quoteQualified)],
  );
}

async function load(
  client: pg.Client,
  publication: string,
  where: string,
  values: unknown[],
): Promise<CatalogTable[]> {
  const { rows } = await client.query(query.replace('%WHERE%', where), [publication, ...values]);
  return rows.map((row) => ({
    schema: row.schema,
    table: row.table,
    columns: JSON.parse(row.columns),
    replicaIdentity: row.identity,
    rowFilter: row.rowfilter,
    partitioned: row.partitioned === 't',
    estimatedRows: row.estimate === null ? null : Number(row.estimate),
    selectable: row.selectable === 't',
    publication: row.publication,
    unlogged: row.unlogged === 't',
    unpublishedKey: JSON.parse(row.unpublished_key),
    deferrableKey: row.deferrable_key === null ? null : JSON.parse(row.deferrable_key),
    uncaptured: row.uncaptured === null ? [] : JSON.parse(row.uncaptured),
    storage: row.storage,
  }));
}

/**
 * In a transaction that has the savepoint: locks the table against changes of its form, and lets go of the one before,
 * so that a migration waits for the table that is being read only, and never deadlocks with a snapshot. Tells whether
 * the table still holds its rows where it did. One that was written anew looks empty to a snapshot of before.
 * https://www.postgresql.org/docs/current/mvcc-caveats.html
 * https://www.postgresql.org/docs/current/sql-rollback-to.html
 */
export async function lockUnlessRewritten(client: pg.Client, table: CatalogTable): Promise<boolean> {
  const name = quoteQualified(`${table.schema}.${table.table}`);
  // All by one question: many tables are mostly small ones.
  const answers = (await client.query(
    `rollback to savepoint ${beforeTable};
     lock table ${table.partitioned ? '' : 'only '}${name} in access share mode;
     select ${storageOf('o.oid')} as storage from (select to_regclass(${quoteText(name)})::oid as oid) o`,
  )) as unknown as readonly pg.QueryResult<{ storage: string }>[];
  return answers[2]?.rows[0]?.storage === table.storage;
}

/** Locks that are taken behind this savepoint are released by rolling back to it. */
export const beforeTable = 'before_table';

/** `schema.table` as SQL; the first dot separates, so a table's name may hold dots but a schema's may not. */
export function quoteQualified(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? quoteIdent(name) : `${quoteIdent(name.slice(0, dot))}.${quoteIdent(name.slice(dot + 1))}`;
}
