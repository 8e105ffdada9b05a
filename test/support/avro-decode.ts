import avro from 'avsc';
import type { SchemaRegistry } from '../../log/avro/schema-registry.ts';

/** avsc's long as an exact bigint; its own would lose digits. */
export const exactLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(n);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

/** Types by registry and schema id: making one takes far longer than decoding with it. */
const types = new WeakMap<SchemaRegistry, Map<number, avro.Type>>();

/** Decodes Confluent-framed bytes with avsc, an implementation of Avro that is not ours. */
export async function decodeAvro(schemas: SchemaRegistry, bytes: Buffer): Promise<Record<string, unknown>> {
  const known = types.get(schemas) ?? new Map<number, avro.Type>();
  types.set(schemas, known);
  const id = bytes.readUInt32BE(1);
  let type = known.get(id);
  if (!type) {
    type = avro.Type.forSchema((await schemas.schema(id)) as avro.Schema, {
      registry: { long: exactLong },
      wrapUnions: 'never' as never,
    });
    known.set(id, type);
  }
  return type.fromBuffer(bytes.subarray(5)) as Record<string, unknown>;
}
