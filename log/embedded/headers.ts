import type { Headers } from '../log.ts';

/** Headers as bytes: for each, key length (1 byte), key, value length (4 bytes), value. */
export function encodeHeaders(headers: Headers | undefined): Buffer | null {
  if (!headers) return null;
  const known = encoded.get(headers);
  if (known) return known;
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const key = Buffer.from(name);
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    const sizes = Buffer.alloc(5);
    sizes.writeUInt32BE(bytes.length, 1);
    parts.push(Buffer.of(key.length), key, sizes.subarray(1), bytes);
  }
  const buffer = Buffer.concat(parts);
  encoded.set(headers, buffer);
  return buffer;
}

/** The records of a transaction share one headers object, so its bytes are made once. */
const encoded = new WeakMap<Headers, Buffer>();

/** Decodes headers; equal neighbours get the same object, since the records of a transaction have equal ones. */
export class HeadersDecoder {
  #bytes: Buffer | null = null;
  #headers: Headers = {};

  decode(bytes: Buffer | null): Headers {
    if (bytes === null) return none;
    if (this.#bytes?.equals(bytes)) return this.#headers;
    const headers: Record<string, Buffer> = {};
    for (let at = 0; at < bytes.length; ) {
      const keyEnd = at + 1 + bytes[at]!;
      const valueStart = keyEnd + 4;
      const valueEnd = valueStart + bytes.readUInt32BE(keyEnd);
      headers[bytes.toString('utf8', at + 1, keyEnd)] = bytes.subarray(valueStart, valueEnd);
      at = valueEnd;
    }
    this.#bytes = bytes;
    this.#headers = headers;
    return headers;
  }
}

const none: Headers = {};
