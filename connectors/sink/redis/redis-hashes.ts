import type { Columns, ColumnType } from '../../../core/column.ts';
import { base64, decodeArray, encodeArray, fromBase64, textOfFloat } from '../../../core/tagged-json.ts';
import type { Row, Value } from '../../../core/value.ts';
import type { RowLayout } from './redis-layout.ts';
import { applyHashesScript, truncateHashesScript } from './redis-scripts.ts';

/** Redis takes several times as long for a row as for one that is a string, and answers others after a chunk. */
const maxRows = 500;

/** Every row has it, one whose columns are all null as well. Columns begin with a letter, so none has this name. */
const partitionField = '_p';

/**
 * A row is a hash: a field for each column that is not null, and `_p`, the source partition. A value is what it is in
 * the JSON of `RowJson`, without quotes: text, json, numeric and timestamps as they are, numbers in decimal, `true` and
 * `false`, bytes in base64, arrays as JSON.
 */
export function hashRows(columns: Columns): RowLayout {
  const names = Object.keys(columns);
  const labels = names.map((name) => `,${JSON.stringify(name)},`);
  const encoders = names.map((name) => encoderOf[columns[name]!]);
  const decoders = names.map((name) => decoderOf[columns[name]!]);
  const fields = [partitionField, ...names];
  function decode([partition, ...texts]: readonly (string | null)[]): Row | null {
    if (partition === null) return null;
    const row: Record<string, Value> = {};
    for (let i = 0; i < names.length; i++) {
      const text = texts[i] ?? null;
      row[names[i]!] = text === null ? null : decoders[i]!(text);
    }
    return row;
  }
  return {
    maxRows,
    apply: applyHashesScript,
    truncate: truncateHashesScript,
    mark: String,
    encoder(partition) {
      const beginning = `["${partitionField}","${partition}"`;
      return (row) => {
        let list = beginning;
        for (let i = 0; i < names.length; i++) {
          const value = row[names[i]!] ?? null;
          if (value !== null) list += labels[i]! + encoders[i]!(value);
        }
        return `${list}]`;
      };
    },
    async read(redis, rows) {
      const replies = await Promise.all(rows.map((name) => redis.send('HMGET', [name, ...fields])));
      return replies.map((reply) => decode(reply as (string | null)[]));
    },
  };
}

/** Half of a character outside the basic plane: it has no UTF-8, and would come back as another character. */
const half = /\p{Surrogate}/u;

const text = (value: Value): string => {
  if (typeof value !== 'string' || half.test(value)) throw new TypeError('not a text');
  return JSON.stringify(value);
};
const number = (value: Value): string => `"${textOfFloat(value as number) ?? String(value)}"`;

/** As JSON strings; what is in them is stored. */
const encoderOf: Readonly<Record<ColumnType, (value: Value) => string>> = {
  text,
  int: number,
  bigint: (value) => `"${value as bigint}"`,
  float: number,
  numeric: text,
  boolean: (value) => `"${value}"`,
  bytes: (value) => `"${base64(value as Uint8Array)}"`,
  timestamp: text,
  json: text,
  array: (value) => JSON.stringify(encodeArray(value)),
};

const same = (stored: string): Value => stored;

const decoderOf: Readonly<Record<ColumnType, (stored: string) => Value>> = {
  text: same,
  int: Number,
  bigint: BigInt,
  float: Number,
  numeric: same,
  boolean: (stored) => stored === 'true',
  bytes: fromBase64,
  timestamp: same,
  json: same,
  array: decodeArray,
};
