import type { Columns, ColumnType } from '../../core/column.ts';
import type { Row, Value } from '../../core/value.ts';

/**
 * Rows as JSON that other languages read without us, and that we read back exactly:
 * bigint, numeric, timestamp and json columns are strings, bytes are base64, NaN and the infinities are strings.
 * Inside arrays, where no declared type helps, a bigint is `{"$bigint":"1"}`, bytes are `{"$bytes":"AA=="}` and
 * a float that JSON cannot write is `{"$float":"NaN"}`.
 */
export function encodeRow(row: Row, columns: Columns): string {
  const plain: Record<string, unknown> = {};
  for (const name in columns) plain[name] = encodeColumn(row[name] ?? null, columns[name]!);
  return JSON.stringify(plain);
}

export function decodeRow(text: string, columns: Columns): Row {
  const plain = JSON.parse(text) as Record<string, unknown>;
  const row: Record<string, Value> = {};
  for (const name in columns) row[name] = decodeColumn(plain[name] ?? null, columns[name]!);
  return row;
}

export function encodeArray(value: Value): string {
  return JSON.stringify(tag(value));
}

export function decodeArray(text: string): Value {
  return untag(JSON.parse(text));
}

function encodeColumn(value: Value, type: ColumnType): unknown {
  if (value === null) return null;
  if (type === 'bigint') return (value as bigint).toString();
  if (type === 'bytes') return Buffer.from(value as Uint8Array).toString('base64');
  if (type === 'float') return jsonFloat(value as number) ?? value;
  if (type === 'array') return tag(value);
  return value;
}

function decodeColumn(value: unknown, type: ColumnType): Value {
  if (value === null) return null;
  if (type === 'bigint') return BigInt(value as string);
  if (type === 'bytes') return new Uint8Array(Buffer.from(value as string, 'base64'));
  if (type === 'float') return Number(value);
  if (type === 'array') return untag(value);
  return value as Value;
}

/** The text of a float that JSON has no number for, -0 among them. */
function jsonFloat(value: number): string | null {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? null : String(value);
}

function tag(value: Value): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(tag);
  if (typeof value === 'number') {
    const text = jsonFloat(value);
    return text === null ? value : { $float: text };
  }
  return value;
}

function untag(value: unknown): Value {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== 'object' || value === null) return value as Value;
  const [kind, text] = Object.entries(value)[0] ?? [];
  if (kind === '$bigint') return BigInt(text);
  if (kind === '$bytes') return new Uint8Array(Buffer.from(text, 'base64'));
  return Number(text);
}
