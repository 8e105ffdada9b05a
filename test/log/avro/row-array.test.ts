import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Value } from '../../../core/value.ts';
import { parseArrayLiteral } from '../../../log/avro/row-array.ts';

/** As Postgres prints them: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function print(value: Value): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value)) return `{${value.map(print).join(',')}}`;
  const text = value as string;
  const bare = text !== '' && !/^null$/i.test(text) && !/[{}",\\\s]/.test(text);
  return bare ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

test('what Postgres prints is read back, in any number of dimensions', () => {
  const element = fc.option(
    fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('NULL', 'null', '', '"', '\\', '{}')),
  );
  const line = fc.array(element, { minLength: 1, maxLength: 4 });
  const value = fc.oneof(
    line,
    fc.array(line, { minLength: 1, maxLength: 3 }),
    fc.array(fc.array(line, { minLength: 1 }), { minLength: 1 }),
  );
  fc.assert(
    fc.property(value, fc.constantFrom('', '[0:1]=', '[-2:3][1:2]='), (nested, bounds) => {
      expect(parseArrayLiteral(bounds + print(nested as Value))).toEqual(nested);
    }),
  );
});

test.each(['', 'a', '{', '{a', '{a,', '{"a', '{"a\\', '{a}b', '{{a}', 'x{a}', '[0:1]{a}'])(
  '%j is no array literal',
  (text) => {
    expect(() => parseArrayLiteral(text)).toThrow(RangeError);
  },
);
