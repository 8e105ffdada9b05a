import type { Value } from '../../core/value.ts';

/**
 * Postgres' array literal as nested arrays of texts and nulls, for arrays that are not Avro arrays (several
 * dimensions). Lower bounds (`[0:1]=`) have no meaning outside of Postgres and are left out.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function parseArrayLiteral(literal: string): Value {
  const start = literal.indexOf('{');
  if (start < 0) throw new RangeError('an array literal without braces');
  const [value, end] = parseLevel(literal, start);
  if (end !== literal.length) throw new RangeError('an array literal with something behind it');
  return value;
}

function parseLevel(text: string, start: number): [Value[], number] {
  const items: Value[] = [];
  let at = start + 1;
  if (text[at] === '}') return [items, at + 1];
  for (;;) {
    if (text[at] === '{') {
      const [item, end] = parseLevel(text, at);
      items.push(item);
      at = end;
    } else if (text[at] === '"') {
      let item = '';
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) throw new RangeError('an array literal that ends too early');
        if (text[at] === '\\') at++;
        item += text[at];
      }
      items.push(item);
      at++;
    } else {
      const from = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '}') at++;
      const item = text.slice(from, at);
      items.push(item.toUpperCase() === 'NULL' ? null : item);
    }
    if (text[at] === '}') return [items, at + 1];
    if (text[at] !== ',') throw new RangeError('an array literal that ends too early');
    at++;
  }
}
