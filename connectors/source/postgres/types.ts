import type pg from 'pg';
import type { Encoding } from './value-encoder.ts';

/** What we know of a Postgres type: how its values travel, and under which name they are declared. */
export interface PgType {
  /** As `format_type` prints it without a modifier, e.g. `timestamp with time zone`. */
  readonly name: string;
  readonly encoding: Encoding;
  /** The element's type when this is an array that travels as one. */
  readonly element: PgType | null;
  /** False when the type is not one of those we know; it travels as its text. */
  readonly known: boolean;
}

/** Built-in types by name; enum, range, composite and domain are known by their kind. Everything else is text. */
const encodings: Readonly<Record<string, Encoding>> = {
  int2: 'int',
  int4: 'int',
  int8: 'long',
  oid: 'long',
  float4: 'double',
  float8: 'double',
  bool: 'boolean',
  bytea: 'bytes',
};
const knownAsText = new Set(
  (
    'numeric text varchar bpchar char name uuid json jsonb date time timetz timestamp timestamptz interval inet cidr ' +
    'macaddr macaddr8 hstore citext bit varbit money xml tsvector tsquery point line lseg box path polygon circle ' +
    'pg_lsn ltree'
  ).split(' '),
);

const query = `
  select t.oid, t.typname, t.typtype, t.typbasetype, t.typdelim,
         case when t.typcategory = 'A' then t.typelem else 0 end as element,
         format_type(t.oid, null) as name
  from pg_type t where t.oid = any($1::oid[])`;

interface TypeRow {
  oid: string;
  typname: string;
  typtype: string;
  typbasetype: string;
  typdelim: string;
  element: string;
  name: string;
}

/** Looks types up by oid, once each. A type that was dropped meanwhile is text, unknown. */
export class TypeCatalog {
  readonly #types = new Map<number, PgType>();

  get(oid: number): PgType | undefined {
    return this.#types.get(oid);
  }

  async load(client: pg.Client, oids: readonly number[]): Promise<void> {
    const missing = [...new Set(oids)].filter((oid) => oid !== 0 && !this.#types.has(oid));
    if (missing.length === 0) return;
    const { rows } = await client.query<TypeRow>(query, [missing]);
    await this.load(
      client,
      rows.flatMap((row) => [Number(row.typbasetype), Number(row.element)]),
    );
    for (const row of rows) this.#types.set(Number(row.oid), this.#describe(row));
    for (const oid of missing)
      if (!this.#types.has(oid))
        this.#types.set(oid, { name: `type ${oid}`, encoding: 'string', element: null, known: false });
  }

  #describe(row: TypeRow): PgType {
    const base = this.#types.get(Number(row.typbasetype));
    if (row.typtype === 'd' && base) return { ...base, name: row.name };
    const element = this.#types.get(Number(row.element));
    // Elements of a box array are separated by semicolons; it is the one built-in type that differs.
    if (element && row.typdelim === ',' && element.element === null)
      return { name: row.name, encoding: 'string', element, known: element.known };
    const encoding = encodings[row.typname];
    const byKind = row.typtype === 'e' || row.typtype === 'r' || row.typtype === 'm' || row.typtype === 'c';
    return {
      name: row.name,
      encoding: encoding ?? 'string',
      element: null,
      known: encoding !== undefined || byKind || knownAsText.has(row.typname) || element !== undefined,
    };
  }
}
