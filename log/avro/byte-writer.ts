/**
 * Appends bytes into large slabs and hands out the finished pieces as views on them, so that a record costs no
 * allocation of its own but the view. A slab is left to the garbage collector once its records are appended.
 */
export class ByteWriter {
  buffer: Buffer;
  position = 0;
  #start = 0;
  readonly #slabBytes: number;

  constructor(slabBytes = 1 << 20) {
    this.#slabBytes = slabBytes;
    this.buffer = Buffer.allocUnsafeSlow(slabBytes);
  }

  begin(): void {
    this.#start = this.position;
  }

  /** Room for `bytes` more; call before writing into `buffer` at `position`. */
  reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const written = this.position - this.#start;
    const slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, (written + bytes) * 2));
    this.buffer.copy(slab, 0, this.#start, this.position);
    this.buffer = slab;
    this.#start = 0;
    this.position = written;
  }

  /** The piece written since `begin`. */
  end(): Buffer {
    return this.buffer.subarray(this.#start, this.position);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.position++] = value;
  }

  /** Avro long: zigzag, then base 128. For |value| up to 2^52. */
  long(value: number): void {
    this.reserve(10);
    let n = value < 0 ? -value * 2 - 1 : value * 2;
    while (n >= 0x80000000) {
      this.buffer[this.position++] = (n % 128) | 0x80;
      n = Math.floor(n / 128);
    }
    while (n >= 0x80) {
      this.buffer[this.position++] = (n & 0x7f) | 0x80;
      n >>>= 7;
    }
    this.buffer[this.position++] = n;
  }

  /** Avro long for the whole range of int8. */
  bigLong(value: bigint): void {
    // Arithmetic on bigints allocates: most are small.
    const small = Number(value);
    if (small > -smallEnd && small < smallEnd) {
      this.long(small);
      return;
    }
    this.reserve(10);
    let n = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (n >= 0x80n) {
      this.buffer[this.position++] = Number(n & 0x7fn) | 0x80;
      n >>= 7n;
    }
    this.buffer[this.position++] = Number(n);
  }

  /** Bytes that are Avro already. */
  raw(bytes: Buffer): void {
    this.reserve(bytes.length);
    this.position += bytes.copy(this.buffer, this.position);
  }

  double(value: number): void {
    this.reserve(8);
    this.position = this.buffer.writeDoubleLE(value, this.position);
  }

  /** Avro bytes or string: length, then the bytes `start` to `end` of `source`. */
  sized(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.long(length);
    this.reserve(length);
    if (length < 24) {
      // Short copies are faster by hand than through the call into C++.
      for (let i = start; i < end; i++) this.buffer[this.position++] = source[i]!;
    } else {
      source.copy(this.buffer, this.position, start, end);
      this.position += length;
    }
  }

  /** Avro string: length, then the text as UTF-8. */
  text(value: string): void {
    const { length } = value;
    if (length < shortText && this.#ascii(value)) return;
    // Most texts have as many bytes as characters: then they are where they belong, by one call into C++.
    this.reserve(10 + length * 3);
    // Only now: making room may have moved the piece to another slab.
    const start = this.position;
    this.long(length);
    const written = this.buffer.write(value, this.position, 'utf8');
    this.position += written;
    if (written === length) return;
    this.position = start;
    this.long(written);
    this.position += this.buffer.write(value, this.position, 'utf8');
  }

  /** Writes a short text by hand; false, and nothing written, when it is not ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    this.reserve(1 + length);
    const { buffer, position } = this;
    buffer[position] = length * 2;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[position + 1 + i] = code;
    }
    this.position = position + 1 + length;
    return true;
  }
}

/** Up to so many characters a loop is faster than a call into C++. */
const shortText = 32;
/** Integers up to here are exact as numbers, also when they are doubled. */
const smallEnd = 2 ** 52;
