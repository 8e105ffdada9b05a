import type { AvroSchema } from './schema-registry.ts';

export interface Field {
  readonly name: string;
  readonly type: AvroSchema;
  /** The column's name in the database, where Avro could not take it. */
  readonly column?: string;
}

/** The name of a field in the database. */
export const columnOf = (field: Field): string => field.column ?? field.name;

/** The fields of a record schema; null for any other. */
export function fieldsOf(schema: AvroSchema): readonly Field[] | null {
  if (typeof schema === 'string' || Array.isArray(schema) || schema.type !== 'record') return null;
  return schema.fields as Field[];
}
