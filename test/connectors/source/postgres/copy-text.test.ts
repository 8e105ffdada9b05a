import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CopyTextParser } from '../../../../connectors/source/postgres/copy-text.ts';

/** Escapes as the server does: https://www.postgresql.org/docs/current/sql-copy.html */
const escapes: Record<string, string> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};
const copyField = (value: string | null) =>
  value === null ? '\\N' : value.replace(/[\\\b\f\n\r\t\v]/g, (c) => escapes[c]!);

test('rows survive however the stream is cut into chunks', () => {
  const value = fc.option(
    fc.string({ unit: fc.constantFrom('a', '\\', '\t', '\n', '\r', '\b', 'N', 'é', '😀', '') }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, value, value), { maxLength: 8 }),
      fc.array(fc.nat(200)),
      (rows, cuts) => {
        const bytes = Buffer.from(rows.map((row) => `${row.map(copyField).join('\t')}\n`).join(''));
        const points = [...new Set(cuts.map((c) => c % (bytes.length + 1)))].sort((a, b) => a - b);
        const parser = new CopyTextParser(3);
        const read: (string | null)[][] = [];
        let from = 0;
        for (const to of [...points, bytes.length]) {
          parser.push(Buffer.from(bytes.subarray(from, to)), (tuple) =>
            read.push([0, 1, 2].map((i) => tuple.text(i))),
          );
          from = to;
        }
        expect(read).toEqual(rows);
      },
    ),
  );
});

test('the text \\N is a value when it was escaped, and null when it was not', () => {
  const read: (string | null)[] = [];
  new CopyTextParser(2).push(Buffer.from('\\\\N\t\\N\n'), (tuple) => read.push(tuple.text(0), tuple.text(1)));
  expect(read).toEqual(['\\N', null]);
});
