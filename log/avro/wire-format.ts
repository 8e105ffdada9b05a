/**
 * Confluent's wire format: a zero byte, the schema id in four bytes big-endian, then the Avro body.
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */
export const headerLength = 5;

/** Writes the five header bytes at `offset`; returns the position after them. */
export function writeHeader(target: Buffer, offset: number, schemaId: number): number {
  target[offset] = 0;
  target.writeUInt32BE(schemaId, offset + 1);
  return offset + headerLength;
}

/** The schema id of a framed value, or null when the bytes are not in this format. */
export function schemaIdOf(bytes: Uint8Array): number | null {
  if (bytes.length < headerLength || bytes[0] !== 0) return null;
  return ((bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!) >>> 0;
}
