import type { Columns, ColumnType } from '../../../core/column.ts';
import type { Value } from '../../../core/value.ts';
import type { GenerationId, Key, ViewShape } from '../../../core/view.ts';
import { encodeArray } from '../row-json.ts';

/**
 * Names of everything that is kept in Redis, each behind the store's prefix (`{g1}` stands for generation 1):
 *
 * | key | type | content |
 * | --- | --- | --- |
 * | `customer_card:{g1}:42` | string, or hash | a row, see redis-strings.ts and redis-hashes.ts |
 * | `insideout:active:customer_card` | string | the generation that readers see |
 * | `insideout:generations:customer_card` | hash | generation to layout and shape; an empty shape is being dropped |
 * | `insideout:checkpoint:customer_card:{g1}` | hash | `topic/partition` to next offset |
 * | `insideout:epoch:customer_card:{g1}` | hash | `topic/partition` to the epoch of the latest claim |
 * | `insideout:check` | string, hash | nothing: made and removed to see that it can be; ends after a second |
 *
 * View names hold no colon, so no two of these are ever the same.
 */
export interface RedisNames {
  row(view: string, id: GenerationId): string;
  readonly check: string;
  active(view: string): string;
  generations(view: string): string;
  checkpoint(view: string, id: GenerationId): string;
  epoch(view: string, id: GenerationId): string;
}

export const redisNames = (prefix: string): RedisNames => ({
  row: (view, id) => `${prefix}${view}:{g${id}}:`,
  check: `${prefix}insideout:check`,
  active: (view) => `${prefix}insideout:active:${view}`,
  generations: (view) => `${prefix}insideout:generations:${view}`,
  checkpoint: (view, id) => `${prefix}insideout:checkpoint:${view}:{g${id}}`,
  epoch: (view, id) => `${prefix}insideout:epoch:${view}:{g${id}}`,
});

/**
 * The last part of a row's name. A simple key is its plain value (bytes in hexadecimal, arrays as JSON). The
 * parts of a composite key are joined by colons, with `%` and `:` in them written as `%25` and `%3A`, so that no
 * two keys share a name.
 */
export function keyText(view: ViewShape): (key: Key) => string {
  const texts = view.key.map((name) => textOf(view.columns, name));
  const [only] = texts;
  if (texts.length === 1 && only) return (key) => only(key[0]!);
  return (key) => texts.map((text, i) => escapeColons(text(key[i]!))).join(':');
}

const escapeColons = (text: string): string => text.replaceAll('%', '%25').replaceAll(':', '%3A');

function textOf(columns: Columns, name: string): (value: Value) => string {
  const type: ColumnType = columns[name]!;
  if (type === 'bytes') return (value) => Buffer.from(value as Uint8Array).toString('hex');
  if (type === 'array') return encodeArray;
  if (type === 'float') return (value) => (Object.is(value, -0) ? '-0' : String(value));
  return String;
}

/** A SCAN pattern for names that begin with `text`, whatever is in it. */
export const patternOf = (text: string): string => `${text.replaceAll(/[\\*?[\]]/g, '\\$&')}*`;
