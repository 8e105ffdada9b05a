import type pg from 'pg';
import { quoteQualified } from './catalog.ts';
import { quoteIdent } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import type { Problem } from './publication.ts';
import { setLogged } from './table-problems.ts';

/** Why a listed table is not there to be captured. */
export interface Absence extends Problem {
  readonly name: string;
  /** True when the mend is a statement to run; otherwise it is about the config. */
  readonly statement: boolean;
}

/** What Postgres has under a name, and whether the publication has it, by itself or through a table above it. */
const query = `
  select x.name, c.relkind as kind, c.relpersistence = 'u' as unlogged, c.relispartition as partition, p.pubviaroot as via_root,
         p.puballtables
           or exists (select from pg_publication_rel r where r.prpubid = p.oid
                      and (r.prrelid = c.oid or r.prrelid in (select relid from pg_partition_ancestors(c.oid) a(relid))))
           or exists (select from pg_publication_namespace s where s.pnpubid = p.oid and s.pnnspid = c.relnamespace) as member,
         (select n.nspname || '.' || k.relname from pg_class k join pg_namespace n on n.oid = k.relnamespace
          where k.oid = pg_partition_root(c.oid)) as root
  from unnest($2::text[], $3::text[]) x(name, sql)
  left join pg_class c on c.oid = to_regclass(x.sql)
  left join pg_publication p on p.pubname = $1`;

/** Why these `schema.table` names are not among the tables of the publication, or not in the database if there is none. */
export async function absences(
  client: pg.Client,
  names: readonly string[],
  options: PostgresSourceOptions,
): Promise<Absence[]> {
  if (names.length === 0) return [];
  const { rows } = await client.query(query, [options.publication, names, names.map(quoteQualified)]);
  return rows.map((row) => ({ name: row.name, ...absence(row, options.publication) }));
}

function absence(row: Record<string, string | null>, publication: string): Omit<Absence, 'name'> {
  const { name, kind, root } = row;
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  if (kind === null)
    return {
      message: `There is no table ${name}.`,
      mend: "Correct `tables` in the source's config; names are written schema.table.",
      statement: false,
    };
  if (kind !== 'r' && kind !== 'p')
    return {
      message: `${name} is ${kinds[kind!] ?? 'no table'}, and only tables have changes to capture.`,
      mend: "List the tables that it is made of in `tables` of the source's config.",
      statement: false,
    };
  if (row.unlogged === 't') return { ...setLogged(name!), statement: true };
  if (row.via_root === 't' && row.partition === 't' && row.member === 't')
    return {
      message: `${name} is a partition of ${root}, under whose name the publication "${publication}" has its rows.`,
      mend: `List ${root} in \`tables\` of the source's config.`,
      statement: false,
    };
  if (kind === 'p' && row.member === 't')
    return {
      message: `The publication "${publication}" has partitions of ${name} and not the table as one.`,
      mend: `${alter} SET (publish_via_partition_root = true);`,
      statement: true,
    };
  return {
    message: `The publication "${publication}" lacks ${name}.`,
    mend: `${alter} ADD TABLE ${quoteQualified(name!)};`,
    statement: true,
  };
}

/** https://www.postgresql.org/docs/current/catalog-pg-class.html relkind */
const kinds: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a type',
};
