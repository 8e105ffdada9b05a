import { isNull, Tuple } from './pgoutput.ts';

/**
 * Splits the byte stream of COPY's text format into tuples, whatever way the rows are cut into chunks.
 * https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
 */
export class CopyTextParser {
  readonly #columns: number;
  readonly #tuple = new Tuple();
  #rest: Buffer | null = null;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Calls `onRow` for each whole row of what was given so far; the tuple is valid during the call only. */
  push(chunk: Buffer, onRow: (tuple: Tuple) => void): void {
    const data = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let start = 0;
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, start)) {
      this.#row(data, start, end);
      onRow(this.#tuple);
      start = end + 1;
    }
    this.#rest = start < data.length ? Buffer.from(data.subarray(start)) : null;
  }

  #row(data: Buffer, start: number, end: number): void {
    const tuple = this.#tuple;
    tuple.reset(data, this.#columns);
    let column = 0;
    let fieldStart = start;
    let escaped = false;
    for (let i = start; ; i++) {
      const code = i < end ? data[i] : tab;
      if (code === backslash) {
        escaped = true;
        i++;
      } else if (code === tab) {
        if (!escaped) {
          tuple.starts[column] = fieldStart;
          tuple.ends[column] = i;
        } else if (i - fieldStart === 2 && data[fieldStart + 1] === 0x4e) {
          tuple.starts[column] = isNull;
        } else {
          tuple.starts[column] = fieldStart;
          tuple.ends[column] = unescapeField(data, fieldStart, i);
        }
        column++;
        fieldStart = i + 1;
        escaped = false;
        if (i >= end) return;
      }
    }
  }
}

/** Undoes COPY's backslashes in place, which only ever makes the field shorter; returns its new end. */
function unescapeField(data: Buffer, start: number, end: number): number {
  let to = start;
  for (let i = start; i < end; i++) {
    let code = data[i]!;
    if (code === backslash) {
      code = data[++i]!;
      code = controls.get(code) ?? code;
    }
    data[to++] = code;
  }
  return to;
}

const newline = 0x0a;
const tab = 0x09;
const backslash = 0x5c;
const controls = new Map([
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x76, 0x0b],
]);
