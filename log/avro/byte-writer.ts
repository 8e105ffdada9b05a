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
    this.reserve(10);
    let n = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (n >= 0x80n) {
      this.buffer[this.position++] = Number(n & 0x7fn) | 0x80;
      n >>= 7n;
    }
    this.buffer[this.position++] = Number(n);
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
    const length = Buffer.byteLength(value);
    this.long(length);
    this.reserve(length);
    this.position += this.buffer.write(value, this.position, length, 'utf8');
  }
}
