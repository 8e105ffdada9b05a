import type { Value } from '../../core/value.ts';

/** Makes an element of its text. */
export type ElementOf = (text: string) => Value;

/**
 * Postgres' array literal as nested arrays of elements and nulls, for arrays that are not Avro arrays (several
 * dimensions). Lower bounds (`[0:1]=`) have no meaning outside of Postgres and are left out.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function parseArrayLiteral(literal: string, element: ElementOf = (text) => text): Value {
  const start = literal.indexOf('{');
  if (!/^((\[-?\d+:-?\d+\])+=)?$/.test(literal.slice(0, Math.max(start, 0))) || start < 0)
    throw new RangeError('an array literal does not begin with a brace');
  const [value, end] = parseLevel(literal, start, element);
  if (end !== literal.length) throw new RangeError('an array literal with something behind it');
  return value;
}

function parseLevel(text: string, start: number, element: ElementOf): [Value[], number] {
  const items: Value[] = [];
  let at = start + 1;
  if (text[at] === '}') return [items, at + 1];
  for (;;) {
    if (text[at] === '{') {
      const [item, end] = parseLevel(text, at, element);
      items.push(item);
      at = end;
    } else if (text[at] === '"') {
      let item = '';
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) throw new RangeError('an array literal that ends too early');
        if (text[at] === '\\') at++;
        item += text[at];
      }
      items.push(element(item));
      at++;
    } else {
      const from = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '}') at++;
      const item = text.slice(from, at);
      items.push(item.toUpperCase() === 'NULL' ? null : element(item));
    }
    if (text[at] === '}') return [items, at + 1];
    if (text[at] !== ',') throw new RangeError('an array literal that ends too early');
    at++;
  }
}
