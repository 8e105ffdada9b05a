import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EncodedCommand, requestBytes } from '../../../connectors/sink/redis/redis-request.ts';

/** The same, as slowly and plainly as it can be written. */
const plainly = (words: readonly (string | number)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.map((word) => {
      const bytes = Buffer.from(String(word));
      return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
    }),
  ]);

test('a request holds every word with its length in bytes, whatever is in it', () => {
  // Lengths around those where one more digit is needed, of characters of one to four bytes.
  const repeated = fc
    .tuple(
      fc.constantFrom('a', 'é', '€', '😀', '\ud800'),
      fc.constantFrom(0, 3, 9, 10, 33, 34, 99, 100, 334, 999),
    )
    .map(([character, times]) => character.repeat(times));
  const word = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.string({ unit: 'binary', maxLength: 400 }),
    repeated,
    fc.integer(),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      expect(requestBytes(words).equals(plainly(words))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('thousands of words that are longer than their characters are whole', () => {
  const words = Array.from({ length: 5_000 }, (_, n) => (n % 3 === 0 ? '€'.repeat(n % 700) : `plain ${n}`));
  expect(requestBytes(words).equals(plainly(words))).toBe(true);
});

test('a command is sent as these bytes, and its answer is read as text', async () => {
  const command = new EncodedCommand(['EVALSHA', 'x', 2, 'é']);
  expect(command.toWritable()).toEqual(plainly(['EVALSHA', 'x', 2, 'é']));
  command.resolve(Buffer.from('fine'));
  expect(await command.promise).toBe('fine');
});
