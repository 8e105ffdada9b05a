import type pg from 'pg';
import type { ForeignKey } from '../erasure.ts';

/**
 * Partitions stand for the table that they belong to: a foreign key that only one of them has is the table's,
 * and the copies that Postgres makes of a table's for its partitions are left out.
 * https://www.postgresql.org/docs/current/catalog-pg-constraint.html
 */
const query = `
  select f.conname as name, f.confdeltype as "onDelete",
         cn.nspname || '.' || c.relname as "table", pn.nspname || '.' || p.relname as parent,
         (select json_agg(a.attname order by k.n) from unnest(f.conkey) with ordinality k(num, n)
          join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.num) as columns,
         (select json_agg(a.attname order by k.n) from unnest(f.confkey) with ordinality k(num, n)
          join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.num) as "parentColumns",
         exists (select from pg_index i where i.indexrelid = f.conindid and i.indisprimary) as "primary"
  from pg_constraint f
  join pg_class c on c.oid = coalesce(pg_partition_root(f.conrelid), f.conrelid)
  join pg_namespace cn on cn.oid = c.relnamespace
  join pg_class p on p.oid = coalesce(pg_partition_root(f.confrelid), f.confrelid)
  join pg_namespace pn on pn.oid = p.relnamespace
  where f.contype = 'f' and f.conparentid = 0
  order by 3, 1`;

const actions: Readonly<Record<string, ForeignKey['onDelete']>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};

export async function readForeignKeys(client: pg.Client): Promise<ForeignKey[]> {
  const { rows } = await client.query<Record<string, string>>(query);
  return rows.map((row) => ({
    name: row.name!,
    table: row.table!,
    columns: JSON.parse(row.columns!),
    references: {
      table: row.parent!,
      columns: JSON.parse(row.parentColumns!),
      primary: row.primary === 't',
    },
    onDelete: actions[row.onDelete!] ?? 'no action',
  }));
}

/** SQL that changes its value whenever a foreign key that refers to one of these tables comes, goes or changes. */
export const foreignKeyStamp = (oids: string): string =>
  `(select coalesce(string_agg(f.oid || f.confdeltype::text, ',' order by f.oid), '') from pg_constraint f
    where f.contype = 'f' and f.confrelid = any(${oids}::oid[]))`;
