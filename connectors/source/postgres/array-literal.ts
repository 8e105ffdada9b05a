/**
 * The elements of a one-dimensional array literal (`{a,"b c",NULL}`) as text bytes, null for NULL; or null when
 * the literal has more dimensions or another lower bound than 1.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function splitArray(source: Buffer, start: number, end: number): (Buffer | null)[] | null {
  if (source[start] !== open) return null;
  const items: (Buffer | null)[] = [];
  let at = start + 1;
  if (source[at] === close) return items;
  while (at < end) {
    if (source[at] === open) return null;
    if (source[at] === quote) {
      const item = Buffer.allocUnsafe(end - at);
      let length = 0;
      for (at++; source[at] !== quote; at++) {
        if (source[at] === backslash) at++;
        item[length++] = source[at]!;
      }
      items.push(item.subarray(0, length));
      at++;
    } else {
      const from = at;
      while (source[at] !== comma && source[at] !== close) at++;
      const isNull = at - from === 4 && source.toString('latin1', from, at).toUpperCase() === 'NULL';
      items.push(isNull ? null : source.subarray(from, at));
    }
    at++;
  }
  return items;
}

const open = 0x7b;
const close = 0x7d;
const comma = 0x2c;
const quote = 0x22;
const backslash = 0x5c;
