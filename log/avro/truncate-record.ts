import type { Headers } from '../log.ts';
import type { AvroSchema, SchemaRegistry } from './schema-registry.ts';
import { headerLength, writeHeader } from './wire-format.ts';

const truncateSchema: AvroSchema = {
  type: 'record',
  name: 'Truncate',
  namespace: 'insideout',
  doc: 'All rows of this partition with a lower offset are deleted.',
  fields: [],
};

/** The id of the schema of truncate records, which is the same for all topics. */
export const registerTruncate = (schemas: SchemaRegistry): Promise<number> =>
  schemas.register('insideout.Truncate', truncateSchema);

/**
 * Key and value of a truncate record; its header `op` is `t`. It is not a tombstone: compaction must keep it for
 * as long as it keeps rows that it deletes.
 */
export function truncateBytes(schemaId: number): Buffer {
  const framed = Buffer.alloc(headerLength);
  writeHeader(framed, 0, schemaId);
  return framed;
}

/** Truncate records have their own schema and say so in a header, so they are known without decoding. */
export function isTruncate(record: { readonly headers: Headers }): boolean {
  const op = record.headers.op;
  return op !== undefined && op.length === 1 && (typeof op === 'string' ? op === 't' : op[0] === 0x74);
}
