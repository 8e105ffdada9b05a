import type { AvroSchema } from '../../../log/avro/schema-registry.ts';
import { envelopeSchema } from './envelope.ts';
import type { EnvelopeKind } from './options.ts';
import type { PgType } from './types.ts';

export interface SchemaColumn {
  readonly name: string;
  readonly type: PgType;
}

/** A column whose text may depend on its pg_attribute.atttypmod, such as a numeric's scale. */
export interface KeyColumn extends SchemaColumn {
  readonly typmod: number;
}

/**
 * A name that Avro and Kafka take: characters outside `[A-Za-z0-9_]` become `_x<hex>_`, so that different names
 * stay different.
 */
export function safeName(name: string): string {
  // A leading digit is not allowed either, and a name that looks escaped already is escaped once more.
  return name.replace(
    /[^A-Za-z0-9_]|^[0-9]|_(?=x[0-9a-f]+_)/gu,
    (c) => `_x${c.codePointAt(0)!.toString(16)}_`,
  );
}

/** The topic of a table: `<source>.<schema>.<table>`. */
export function topicOf(source: string, schema: string, table: string): string {
  return `${source}.${safeName(schema)}.${safeName(table)}`;
}

/**
 * Schema of a table's record keys: its key columns, none of them nullable. Partitions and compaction go by a key's
 * bytes, of which the schema's id is a part: so it tells nothing of a column's type that another type of the same
 * values would not have as well, and every integer is a long.
 */
export function keySchema(topic: string, columns: readonly SchemaColumn[]): AvroSchema {
  return {
    type: 'record',
    name: 'Key',
    namespace: topic,
    fields: columns.map((c) => named(c, avroType(widest(c.type)))),
  };
}

/**
 * What the bytes of a table's keys depend on, as text to compare: where it is the same, a key that was written
 * before has the same bytes now.
 */
export function keyShape(schemaId: number, columns: readonly KeyColumn[]): string {
  return JSON.stringify([schemaId, ...columns.map(printedAs)]);
}

/** Integers and plain texts print alike whatever they are declared as; the rest may not. */
function printedAs({ type, typmod }: KeyColumn): string {
  if (type.element === null && widest(type).encoding === 'long') return 'integer';
  if (type.name === 'text' || type.name === 'character varying') return 'text';
  return typmod < 0 ? type.name : `${type.name} ${typmod}`;
}

const widest = (type: PgType): PgType => ({
  ...type,
  encoding: type.encoding === 'int' ? 'long' : type.encoding,
  element: type.element && widest(type.element),
});

/**
 * Schema of a table's record values. Every column outside the key is nullable with default null, so that adding
 * and dropping columns stays compatible in both directions.
 */
export function valueSchema(
  topic: string,
  columns: readonly SchemaColumn[],
  key: ReadonlySet<string>,
): AvroSchema {
  return {
    type: 'record',
    name: 'Value',
    namespace: topic,
    fields: columns.map((c) =>
      key.has(c.name) ? field(c, avroType(c.type)) : { ...field(c, nullable(c.type)), default: null },
    ),
  };
}

/** Schema of a table's record values: that of its rows, or of envelopes around them. */
export function recordSchema(
  topic: string,
  columns: readonly SchemaColumn[],
  { key, envelope }: { key: ReadonlySet<string>; envelope: EnvelopeKind },
): AvroSchema {
  const row = valueSchema(topic, columns, key);
  return envelope === 'debezium' ? envelopeSchema(topic, row) : row;
}

function named(column: SchemaColumn, type: AvroSchema): { [field: string]: unknown } {
  const name = safeName(column.name);
  return { name, type, ...(name === column.name ? {} : { column: column.name }) };
}

const field = (column: SchemaColumn, type: AvroSchema): { [field: string]: unknown } => ({
  ...named(column, type),
  pg: column.type.name,
});

function avroType(type: PgType): AvroSchema {
  if (type.element) return ['null', ...arrayBranches(type.element)];
  return type.encoding;
}

function nullable(type: PgType): AvroSchema {
  if (type.element) return ['null', ...arrayBranches(type.element)];
  return ['null', type.encoding];
}

function arrayBranches(element: PgType): AvroSchema[] {
  return [{ type: 'array', items: ['null', element.encoding] }, 'string'];
}
