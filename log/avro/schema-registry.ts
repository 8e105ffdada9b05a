/** An Avro schema as parsed JSON. */
export type AvroSchema = string | AvroSchema[] | { readonly [field: string]: unknown };

/** Where schemas live. Confluent's registry, or the embedded Log's own file. */
export interface SchemaRegistry {
  /**
   * The id of the schema under the subject, registering it if it is new. Idempotent and cached.
   * Errors: `SCHEMA_INCOMPATIBLE` when the subject's compatibility rule refuses it, `SCHEMA_UNREACHABLE`, `SCHEMA_REGISTRY`.
   */
  register(subject: string, schema: AvroSchema): Promise<number>;

  /** The schema with this id, cached for ever. Errors: `SCHEMA_UNKNOWN`, `SCHEMA_UNREACHABLE`, `SCHEMA_REGISTRY`. */
  schema(id: number): Promise<AvroSchema>;
}
