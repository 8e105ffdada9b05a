import { isUtf8 } from 'node:buffer';

/** Texts of so many bytes are made here in half the time that a call into Node takes. */
const shortText = 12;
const codesOf = Array.from({ length: shortText + 1 }, (_, length) => new Array<number>(length).fill(0));

/**
 * A position in Avro bytes, and the primitive readers of Avro's binary encoding.
 * https://avro.apache.org/docs/1.11.1/specification/#binary-encoding
 */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;

  start(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError('the bytes end too early');
    return this.bytes[this.at++]!;
  }

  /** A long as a number when it is exact as one, as a bigint otherwise. */
  long(): number | bigint {
    // Most are lengths and branches of unions, of one byte.
    const first = this.bytes[this.at]!;
    if (first < 0x80) {
      this.at++;
      return (first >>> 1) ^ -(first & 1);
    }
    const start = this.at;
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const b = this.byte();
      low += (b & 0x7f) * scale;
      if (b < 0x80) return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
      scale *= 128;
    }
    this.at = start;
    return this.#bigLong();
  }

  /** A count or length, which is never near the limits. */
  size(): number {
    return Number(this.long());
  }

  /** Refuses a count of items that the bytes left could not hold, however small an item is. */
  expect(items: number): void {
    if (items > this.bytes.length - this.at) throw new RangeError('a count is larger than what is left');
  }

  double(): number {
    const value = this.bytes.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  float(): number {
    const value = this.bytes.readFloatLE(this.at);
    this.at += 4;
    return value;
  }

  /** Moves past `length` bytes and returns where they started. */
  take(length: number): number {
    const start = this.at;
    if (length < 0 || start + length > this.bytes.length) throw new RangeError('the bytes end too early');
    this.at = start + length;
    return start;
  }

  string(): string {
    const length = this.size();
    const start = this.take(length);
    const short = length <= shortText ? this.#ascii(start, length) : null;
    if (short !== null) return short;
    const text = this.bytes.toString('utf8', start, this.at);
    // Decoding puts this character in place of bytes that are not UTF-8, which would lose them.
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, this.at)))
      throw new RangeError('a text is not UTF-8');
    return text;
  }

  /** Null when not all of it is ASCII. */
  #ascii(start: number, length: number): string | null {
    const codes = codesOf[length]!;
    for (let i = 0; i < length; i++) {
      const code = this.bytes[start + i]!;
      if (code > 0x7f) return null;
      codes[i] = code;
    }
    return String.fromCharCode(...codes);
  }

  /** A copy: views outlive the batch that the bytes came in. */
  binary(): Uint8Array {
    const start = this.take(this.size());
    return new Uint8Array(this.bytes.subarray(start, this.at));
  }

  #bigLong(): number | bigint {
    let raw = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const b = this.byte();
      raw |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) {
        const value = BigInt.asIntN(64, (raw >> 1n) ^ -(raw & 1n));
        return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
          ? Number(value)
          : value;
      }
    }
    throw new RangeError('a number is longer than 64 bits');
  }
}
