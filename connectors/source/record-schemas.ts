import type { AvroSchema } from '../../log/avro/schema-registry.ts';

/** The schemas of a topic's records, as their source would write them now. */
export interface RecordSchemas {
  readonly key: AvroSchema;
  readonly value: AvroSchema;
  /** How long records are kept, milliseconds; null for ever. */
  readonly retentionMs: number | null;
}
