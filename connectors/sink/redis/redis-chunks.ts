import { InsideoutError } from '../../../core/errors.ts';
import type { Offset } from '../../../core/position.ts';
import type { Row } from '../../../core/value.ts';
import type { Key, ViewBatch } from '../../../core/view.ts';
import type { Expiry } from '../expiry.ts';
import { unstorable } from '../store-errors.ts';
import type { RowLayout } from './redis-layout.ts';

/** A row as it is stored, and when it ends. */
interface Encoded {
  readonly value: string;
  readonly end: number | null;
}

/** A step of a batch that Redis does atomically, moving the checkpoint from `from` to `next`. */
export type Chunk =
  /** `rows` are names and values in turn, `ends` names and ends of those that end. */
  | { readonly op: 'write'; from: Offset; next: Offset; rows: string[]; ends: string[]; deleted: string[] }
  | { readonly op: 'truncate'; readonly from: Offset; readonly next: Offset };

export interface ChunkEncoding {
  /** Null when the rows of the view never end. */
  readonly expiry: Expiry | null;
  readonly layout: RowLayout;
  /** The full name of a row. */
  name(key: Key): string;
}

/** Long enough to be worth a round trip, short enough that Redis answers others meanwhile. */
const maxLength = 1 << 20;
/** Redis takes strings of up to 512 MB; a character can be three bytes. */
const maxValueLength = 170_000_000;

/** Cuts the part of a batch that begins at `start` into chunks. Within a chunk the last change of a key wins. */
export function* chunksOf(batch: ViewBatch, start: Offset, encoding: ChunkEncoding): Generator<Chunk> {
  const { layout } = encoding;
  const encode = layout.encoder(batch.partition);
  const latest = new Map<string, string | Encoded | null>();
  let from = start;
  let length = 0;
  for (const change of batch.changes) {
    if (change.offset < start) continue;
    if (change.op === 'truncate') {
      if (change.offset > from) yield write(from, change.offset, latest);
      yield { op: 'truncate', from: change.offset, next: change.offset + 1 };
      from = change.offset + 1;
      length = 0;
      latest.clear();
      continue;
    }
    if (latest.size >= layout.maxRows || length >= maxLength) {
      yield write(from, change.offset, latest);
      from = change.offset;
      length = 0;
      latest.clear();
    }
    const name = encoding.name(change.key);
    const end = change.op === 'upsert' && encoding.expiry ? encoding.expiry.end(change.row) : null;
    const gone = change.op === 'delete' || (end !== null && encoding.expiry?.ended(end));
    const value = gone ? null : encoded(change.row, encode);
    latest.set(name, value !== null && end !== null ? { value, end } : value);
    length += name.length + (value?.length ?? 0);
  }
  if (from < batch.next || from === start) yield write(from, batch.next, latest);
}

function write(from: Offset, next: Offset, latest: ReadonlyMap<string, string | Encoded | null>): Chunk {
  const rows: string[] = [];
  const deleted: string[] = [];
  const ends: string[] = [];
  for (const [name, value] of latest) {
    if (value === null) deleted.push(name);
    else if (typeof value === 'string') rows.push(name, value);
    else {
      rows.push(name, value.value);
      ends.push(name, String(value.end));
    }
  }
  return { op: 'write', from, next, rows, ends, deleted };
}

function encoded(row: Row, encode: (row: Row) => string): string {
  let text: string;
  try {
    text = encode(row);
  } catch {
    throw unstorable();
  }
  if (text.length <= maxValueLength) return text;
  throw new InsideoutError('RECORD_UNSTORABLE', 'A row is larger than Redis takes (512 MB).', {
    hint: 'Leave the large column out of the view.',
  });
}
