import type { Row, Value } from './value.ts';

/**
 * Any value as JSON text that other languages read without us, and that we read back exactly: a bigint is
 * `{"$bigint":"1"}`, bytes are `{"$bytes":"AA=="}`, a float that JSON cannot write is `{"$float":"NaN"}`, and an
 * object that could be taken for one of these is `{"$object":{...}}`.
 */
export const encodeArray = (value: Value): string => JSON.stringify(tag(value));
export const decodeArray = (text: string): Value => untag(JSON.parse(text));

export const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
export const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** The text of a float that JSON has no number for, -0 among them. */
export function textOfFloat(value: number): string | null {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? null : String(value);
}

function tag(value: Value): unknown {
  switch (typeof value) {
    case 'bigint':
      return { $bigint: value.toString() };
    case 'number': {
      const text = textOfFloat(value);
      return text === null ? value : { $float: text };
    }
    case 'object': {
      if (value === null) return null;
      if (value instanceof Uint8Array) return { $bytes: base64(value) };
      if (Array.isArray(value)) return value.map(tag);
      const entries = Object.entries(value as Row).map(([name, item]) => [name, tag(item)] as const);
      const plain = Object.fromEntries(entries);
      return entries.some(([name]) => name.startsWith('$')) ? { $object: plain } : plain;
    }
    default:
      return value;
  }
}

/** A value of its tagged form. */
export function untag(value: unknown): Value {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== 'object' || value === null) return value as Value;
  const [first] = Object.entries(value);
  const [kind, content] = first ?? ['', null];
  if (kind === '$bigint') return BigInt(content as string);
  if (kind === '$bytes') return fromBase64(content as string);
  if (kind === '$float') return Number(content);
  const plain = kind === '$object' ? (content as object) : value;
  return Object.fromEntries(Object.entries(plain).map(([name, item]) => [name, untag(item)]));
}
