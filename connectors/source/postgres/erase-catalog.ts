import type pg from 'pg';
import type { ForeignKey, SubjectPlace } from '../erasure.ts';
import { quoteQualified } from './catalog.ts';
import { foreignKeyStamp, readForeignKeys } from './foreign-keys.ts';
import type { PostgresSourceOptions } from './options.ts';

export interface EraseColumn {
  readonly name: string;
  /** As SQL writes it in a cast that changes no value of it. */
  readonly type: string;
  /** pg_type.typname, of a domain's base where it is one. */
  readonly base: string;
  /** False where its collation takes different texts for equal. */
  readonly bytewise: boolean;
  readonly notNull: boolean;
  readonly generated: boolean;
  /** Part of the topic's key. */
  readonly key: boolean;
  /** An index that holds every row begins with it. */
  readonly indexed: boolean;
  /** A unique index is about it alone, or about an expression of it alone. */
  readonly unique: boolean;
  /** Such an index holds every row, so that no two rows can have the same value. */
  readonly distinct: boolean;
}

/** A table as erasing needs to know it. */
export interface EraseTable {
  readonly oid: string;
  /** `schema.table`. */
  readonly name: string;
  readonly partitioned: boolean;
  /** The partitioned table that it belongs to, or null. */
  readonly partitionOf: string | null;
  readonly columns: readonly EraseColumn[];
  /** The one column of the primary key, or null when there are more or none. */
  readonly primary: string | null;
  readonly missingPrivileges: readonly string[];
  /** Row security would hide rows from this role. */
  readonly secured: boolean;
  /** Names of the triggers that run when a row is deleted, or updated. */
  readonly deleteTriggers: readonly string[];
  readonly updateTriggers: readonly string[];
  /**
   * Names of the published tables that its rows are published as, by the oid of the table that holds them: itself,
   * or each of its partitions. Null where they are not published.
   */
  readonly publishedAs: ReadonlyMap<string, string | null>;
}

export interface EraseCatalog {
  readonly tables: ReadonlyMap<string, EraseTable>;
  readonly foreignKeys: readonly ForeignKey[];
  readonly publication: {
    readonly name: string;
    readonly exists: boolean;
    readonly deletes: boolean;
    readonly updates: boolean;
  };
  /** The role that erases. */
  readonly role: string;
  /** Compared inside the transaction, so that nothing is deleted by a foreign key that came since. */
  readonly stamp: string;
}

/** https://www.postgresql.org/docs/current/catalog-pg-index.html: `indkey` counts from 0, and 0 is an expression. */
const tablesQuery = `
  select c.oid, n.nspname || '.' || c.relname as name, c.relkind = 'p' as partitioned,
    (select rn.nspname || '.' || r.relname from pg_class r join pg_namespace rn on rn.oid = r.relnamespace
     where c.relispartition and r.oid = pg_partition_root(c.oid)) as "partitionOf",
    row_security_active(c.oid) as secured,
    (select coalesce(json_agg(p), '[]') from unnest('{SELECT,UPDATE,DELETE}'::text[]) p
     where not has_table_privilege(c.oid, p)) as missing,
    (select coalesce(json_agg(t.tgname), '[]') from pg_trigger t
     where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgtype & 8 <> 0) as deletes,
    (select coalesce(json_agg(t.tgname), '[]') from pg_trigger t
     where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgtype & 16 <> 0) as updates,
    (select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
     where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1) as "primary",
    (select json_agg(json_build_object(
       'name', a.attname, 'type', format_type(a.atttypid, -1), 'base', coalesce(b.typname, t.typname),
       'bytewise', coalesce((select l.collisdeterministic from pg_collation l where l.oid = a.attcollation), true),
       'notNull', a.attnotnull, 'generated', a.attgenerated <> '' or a.attidentity = 'a',
       'key', exists (select from pg_index i where i.indrelid = c.oid and a.attnum = any(i.indkey::int2[])
          and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end),
       'indexed', exists (select from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum
          and i.indisvalid and i.indpred is null),
       'unique', u.found, 'distinct', u.whole) order by a.attnum)
     from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = nullif(t.typbasetype, 0)
     cross join lateral (
       select count(*) > 0 as found, coalesce(bool_or(i.indpred is null), false) as whole from pg_index i
       where i.indrelid = c.oid and i.indisunique and i.indnkeyatts = 1
         and (i.indkey[0] = a.attnum or i.indkey[0] = 0 and array[a.attnum::int] = (
           select array_agg(distinct d.refobjsubid) from pg_depend d where d.classid = 'pg_class'::regclass
             and d.objid = i.indexrelid and d.refobjid = c.oid and d.refobjsubid > 0))) u
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select json_object_agg(leaf.oid::text, (
       select p.schemaname || '.' || p.tablename
       from pg_class a join pg_namespace an on an.oid = a.relnamespace
       join pg_publication_tables p on p.schemaname = an.nspname and p.tablename = a.relname and p.pubname = $2
       where a.oid = leaf.oid or a.oid in (select relid from pg_partition_ancestors(leaf.oid)) limit 1))
     from (select relid::oid as oid from pg_partition_tree(c.oid) where isleaf union select c.oid where c.relkind = 'r') leaf
    ) as published
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.oid = any(select to_regclass(x) from unnest($1::text[]) x)`;

/** What the catalog says of these `schema.table` names; those that are no tables are left out. */
export async function readEraseCatalog(
  client: pg.Client,
  options: Pick<PostgresSourceOptions, 'publication'>,
  names: readonly string[],
): Promise<EraseCatalog> {
  const found = await client.query<Record<string, string>>(tablesQuery, [
    [...new Set(names)].map(quoteQualified),
    options.publication,
  ]);
  const tables = found.rows.map(readTable);
  const oids = `{${tables.map((t) => t.oid).join(',')}}`;
  const state = await client.query<{ stamp: string; role: string }>(
    `select ${foreignKeyStamp('$1')} as stamp, current_user as role`,
    [oids],
  );
  const foreignKeys = await readForeignKeys(client);
  const published = await client.query<{ deletes: string; updates: string }>(
    'select pubdelete as deletes, pubupdate as updates from pg_publication where pubname = $1',
    [options.publication],
  );
  const publication = published.rows[0];
  return {
    tables: new Map(tables.map((t) => [t.name, t])),
    foreignKeys,
    publication: {
      name: options.publication,
      exists: publication !== undefined,
      deletes: publication?.deletes === 't',
      updates: publication?.updates === 't',
    },
    ...state.rows[0]!,
  };
}

function readTable(row: Record<string, string | null>): EraseTable {
  const json = (name: string) => JSON.parse(row[name] ?? '[]');
  return {
    oid: row.oid!,
    name: row.name!,
    partitioned: row.partitioned === 't',
    partitionOf: row.partitionOf ?? null,
    columns: json('columns'),
    primary: row.primary ?? null,
    missingPrivileges: json('missing'),
    secured: row.secured === 't',
    deleteTriggers: json('deletes'),
    updateTriggers: json('updates'),
    publishedAs: new Map(Object.entries<string | null>(JSON.parse(row.published ?? '{}'))),
  };
}

export const columnOf = (table: EraseTable, name: string): EraseColumn =>
  table.columns.find((c) => c.name === name)!;

/** The column of the other table that a place's values are found in; null when that is not clear. */
export function referredColumn(place: SubjectPlace, catalog: EraseCatalog): string | null {
  if (!place.through) return null;
  const { table, column } = place.through;
  if (column !== null) return column;
  const referred = catalog.foreignKeys
    .filter(
      (f) => f.table === place.table && f.references.table === table && f.columns.includes(place.column),
    )
    .map((f) => f.references.columns[f.columns.indexOf(place.column)]!);
  if (new Set(referred).size === 1) return referred[0]!;
  return catalog.tables.get(table)?.primary ?? null;
}
