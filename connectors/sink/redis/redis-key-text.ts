import type { Value } from '../../../core/value.ts';
import type { Key } from '../../../core/view.ts';

/**
 * A view key as text: the plain value when there is one part, parts joined by `|` otherwise, with `|` and `\`
 * inside of parts escaped by a backslash. Different keys of one view have different texts, because a column's
 * type is always the same.
 */
export function formatLocalKey(key: Key): string {
  return key.length === 1
    ? part(key[0]!)
    : key.map((value) => part(value).replace(/[\\|]/g, '\\$&')).join('|');
}

function part(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value))
    return JSON.stringify(value, (_name, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  return String(value);
}
