import type { ByteWriter } from '../../../log/avro/byte-writer.ts';
import { splitArray } from './array-literal.ts';

/** Writes the text `start` to `end` of `source`, a value as Postgres prints it, as an Avro value. */
export type ValueEncoder = (source: Buffer, start: number, end: number, writer: ByteWriter) => void;

/** How a Postgres type travels: by which Avro type, and written by what. */
export type Encoding = 'int' | 'long' | 'double' | 'boolean' | 'bytes' | 'string';

export const encoders: Readonly<Record<Encoding, ValueEncoder>> = {
  int: encodeInteger,
  long: encodeInteger,
  double: (source, start, end, writer) => writer.double(Number(source.toString('latin1', start, end))),
  boolean: (source, start, _end, writer) => writer.byte(source[start] === 0x74 ? 1 : 0),
  bytes: encodeBytea,
  string: (source, start, end, writer) => writer.sized(source, start, end),
};

function encodeInteger(source: Buffer, start: number, end: number, writer: ByteWriter): void {
  if (end - start > 15) {
    writer.bigLong(BigInt(source.toString('latin1', start, end)));
    return;
  }
  const negative = source[start] === 0x2d;
  let n = 0;
  for (let i = negative ? start + 1 : start; i < end; i++) n = n * 10 + (source[i]! - 0x30);
  writer.long(negative ? -n : n);
}

/** bytea in its hex format, `\x` and two digits a byte; fixed by `bytea_output` on our connections. */
function encodeBytea(source: Buffer, start: number, end: number, writer: ByteWriter): void {
  const length = (end - start - 2) >> 1;
  writer.long(length);
  writer.reserve(length);
  for (let i = start + 2; i < end; i += 2)
    writer.buffer[writer.position++] = (hexDigit(source[i]!) << 4) | hexDigit(source[i + 1]!);
}

const hexDigit = (code: number): number => (code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57);

/**
 * An array as the branches of `[null, array<[null, element]>, string]`. Arrays of one dimension that start at 1
 * become Avro arrays; the others travel as Postgres' literal, so that nothing about them is lost.
 */
export function arrayEncoder(element: ValueEncoder): ValueEncoder {
  return (source, start, end, writer) => {
    const items = splitArray(source, start, end);
    if (items === null) {
      writer.byte(4);
      writer.sized(source, start, end);
      return;
    }
    writer.byte(2);
    if (items.length > 0) {
      writer.long(items.length);
      for (const item of items) {
        if (item === null) writer.byte(0);
        else {
          writer.byte(2);
          element(item, 0, item.length, writer);
        }
      }
    }
    writer.byte(0);
  };
}
