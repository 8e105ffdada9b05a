import avro from 'avsc';
import type Database from 'better-sqlite3';
import { InsideoutError } from '../../core/errors.ts';
import type { AvroSchema, SchemaRegistry } from '../avro/schema-registry.ts';

/** Schemas in the Log's own file. A new version must be able to read what the one before it wrote (BACKWARD). */
export class EmbeddedSchemas implements SchemaRegistry {
  readonly #db: Database.Database;
  readonly #ids = new Map<string, number>();
  readonly #schemas = new Map<number, AvroSchema>();

  constructor(db: Database.Database) {
    this.#db = db;
  }

  async register(subject: string, schema: AvroSchema): Promise<number> {
    const text = JSON.stringify(schema);
    const cacheKey = `${subject}\n${text}`;
    const known = this.#ids.get(cacheKey);
    if (known !== undefined) return known;
    const id = this.#db.transaction(() => this.#register(subject, schema, text)).immediate();
    this.#ids.set(cacheKey, id);
    return id;
  }

  async schema(id: number): Promise<AvroSchema> {
    const known = this.#schemas.get(id);
    if (known !== undefined) return known;
    const text = this.#db
      .prepare<[number], string>('select schema from schemas where id = ?')
      .pluck()
      .get(id);
    if (text === undefined)
      throw new InsideoutError('SCHEMA_UNKNOWN', `The Log has no schema ${id}.`, {
        hint: 'The record was written by another Log; read it where it was written.',
      });
    const schema = JSON.parse(text) as AvroSchema;
    this.#schemas.set(id, schema);
    return schema;
  }

  #register(subject: string, schema: AvroSchema, text: string): number {
    const versions = this.#db
      .prepare<[string], { version: number; id: number; schema: string }>(
        'select version, s.id, s.schema from subjects join schemas s on s.id = schema_id where subject = ? order by version',
      )
      .all(subject);
    const same = versions.find((v) => v.schema === text);
    if (same) return same.id;
    const latest = versions.at(-1);
    if (latest && !readable(schema, JSON.parse(latest.schema)))
      throw new InsideoutError(
        'SCHEMA_INCOMPATIBLE',
        `The new schema of "${subject}" cannot read what version ${latest.version} wrote.`,
        {
          hint: 'Undo the column change, or make it in two steps: add a new column, move the values, drop the old one.',
        },
      );
    this.#db.prepare('insert into schemas (schema) values (?) on conflict do nothing').run(text);
    const id = this.#db
      .prepare<[string], number>('select id from schemas where schema = ?')
      .pluck()
      .get(text)!;
    this.#db.prepare('insert into subjects values (?, ?, ?)').run(subject, (latest?.version ?? 0) + 1, id);
    return id;
  }
}

/** True when `reader` can read what `writer` wrote, by Avro's schema resolution. */
function readable(reader: AvroSchema, writer: AvroSchema): boolean {
  try {
    const parse = (schema: AvroSchema) =>
      avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'always' as never });
    parse(reader).createResolver(parse(writer));
    return true;
  } catch {
    return false;
  }
}
