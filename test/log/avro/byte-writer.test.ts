import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWriter } from '../../../log/avro/byte-writer.ts';

/** Zigzag, then base 128, as plainly as it can be written. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

test('texts are whole wherever a slab ends between them', () => {
  const character = fc.constantFrom('a', 'é', '€', '😀');
  const text = fc.tuple(character, fc.integer({ max: 120, min: 0 })).map(([one, times]) => one.repeat(times));
  fc.assert(
    fc.property(fc.array(fc.array(text, { maxLength: 5 }), { maxLength: 20 }), (pieces) => {
      const writer = new ByteWriter(500);
      const written = pieces.map((texts) => {
        writer.begin();
        for (const one of texts) writer.text(one);
        return writer.end();
      });
      const plainly = pieces.map((texts) =>
        Buffer.concat(texts.flatMap((one) => [varint(Buffer.byteLength(one)), Buffer.from(one)])),
      );
      expect(written.map(String)).toEqual(plainly.map(String));
    }),
    { numRuns: 300 },
  );
});
