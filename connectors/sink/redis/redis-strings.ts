import type { Columns } from '../../../core/column.ts';
import { rowJson } from '../row-json.ts';
import type { RowLayout } from './redis-layout.ts';
import { applyStringsScript, truncateStringsScript } from './redis-scripts.ts';

/** A row is a string: JSON, see `RowJson`, and at its end `_p`, the source partition. */
export function stringRows(columns: Columns): RowLayout {
  const json = rowJson(columns);
  const mark = (partition: number) => `,"_p":${partition}}`;
  return {
    maxRows: 2_000,
    apply: applyStringsScript,
    truncate: truncateStringsScript,
    mark,
    encoder(partition) {
      const ending = mark(partition);
      return (row) => `{${json.members(row)}${ending}`;
    },
    async read(redis, names) {
      const texts = (await redis.send('MGET', [...names])) as (string | null)[];
      return texts.map((text) => (text === null ? null : json.decode(text)));
    },
  };
}
