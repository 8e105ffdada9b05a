import { isBefore, pointIn } from '../connectors/source/point.ts';
import { partitionKey } from '../core/position.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Headers, Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { keyText } from './key-hash.ts';
import type { LookedAt } from './target.ts';
import type { Tracer } from './tracer.ts';

export interface FormerIdParts {
  readonly log: Log;
  readonly tracer: Tracer;
  readonly signal: AbortSignal;
}

/** What tells one id: how many records, and the headers of the oldest. */
interface Told {
  count: number;
  headers: Headers;
}

/**
 * Records of before that tell an id which is not the subject's. It may have been: nobody knows any more that an id was
 * changed, once the tombstone of the old one is forgotten. That it was somebody else's shows only in the subjects' own
 * table, where a row has this id, and had it then.
 */
export class FormerIds {
  readonly #parts: FormerIdParts;
  /** By erasure and id. In memory only. */
  readonly #told = new Map<string, Map<string, Told>>();

  constructor(parts: FormerIdParts) {
    this.#parts = parts;
  }

  add(topic: string, record: LookedAt): void {
    for (const { erasure, id } of this.#parts.tracer.ofOthers(topic, record)) {
      const ids = this.#told.get(erasure) ?? new Map<string, Told>();
      this.#told.set(erasure, ids);
      const told = ids.get(id);
      const { headers } = record;
      if (!told) ids.set(id, { count: 1, headers });
      else {
        told.count++;
        const point = pointIn(told.headers);
        if (point && isBefore(headers, point)) told.headers = headers;
      }
    }
  }

  /**
   * By erasure: how many tell an id that no row has now, or that one has which came later. Reads the topic of the
   * subject's own table where there is anything to ask about, so that costs nothing otherwise.
   */
  async unclaimed(): Promise<Map<string, number>> {
    const { tracer } = this.#parts;
    const counts = new Map<string, number>();
    // Erasures of one subject have one table: it is read once for all of them.
    const asked = new Set([...this.#told.values()].flatMap((ids) => [...ids.keys()]));
    const read = new Map<string, readonly (readonly [string, Headers])[]>();
    for (const [erasure, ids] of this.#told) {
      const living = new Map<string, Headers>();
      for (const { topic, column } of tracer.ownTables(erasure)) {
        const name = JSON.stringify([topic, column]);
        const rows = read.get(name) ?? (await this.#living(topic, column, asked));
        read.set(name, rows);
        for (const [id, headers] of rows) living.set(id, headers);
      }
      for (const [id, { count, headers }] of ids) {
        const row = living.get(id);
        if (row && !cameLater(row, headers)) continue;
        counts.set(erasure, (counts.get(erasure) ?? 0) + count);
      }
    }
    return counts;
  }

  /** Which of these ids rows of the table have now, with the headers of their newest records. */
  async #living(
    topic: string,
    column: string,
    ids: ReadonlySet<string>,
  ): Promise<(readonly [string, Headers])[]> {
    const { log, signal } = this.#parts;
    const rows = new Map<string, Map<string, readonly [string, Headers]>>();
    const reader = new AnyReader(log.schemas);
    if (!(await log.partitions([topic])).has(topic)) return [];
    for await (const { partition, records } of readToEnd(log, [topic], { signal })) {
      const name = partitionKey(topic, partition);
      const ofPartition = rows.get(name) ?? new Map<string, readonly [string, Headers]>();
      rows.set(name, ofPartition);
      for (const record of records) {
        if (isTruncate(record)) ofPartition.clear();
        if (!record.key) continue;
        const key = record.key.toString('latin1');
        ofPartition.delete(key);
        const of = record.value && (await reader.read(record.value))?.[column];
        const id = of === null || of === undefined ? null : keyText(of);
        if (id !== null && ids.has(id)) ofPartition.set(key, [id, record.headers]);
      }
    }
    return [...rows.values()].flatMap((of) => [...of.values()]);
  }
}

/** The row was made, or got its key, after the record was. */
function cameLater(row: Headers, record: Headers): boolean {
  const point = pointIn(row);
  return row.op?.toString() === 'c' && point !== null && isBefore(record, point);
}

/**
 * The same of records that a TRUNCATE left in a topic, by erasure. All others of a compacted topic are as the database
 * has them.
 */
export async function unclaimedBeforeTruncate(
  topic: string,
  ends: ReadonlyMap<number, number>,
  parts: FormerIdParts,
): Promise<Map<string, number>> {
  const { log, signal } = parts;
  const reader = new AnyReader(log.schemas);
  const ids = new FormerIds(parts);
  for await (const { partition, records } of readToEnd(log, [topic], { signal }))
    for (const { offset, key, value, headers } of records) {
      if (offset >= (ends.get(partition) ?? 0)) continue;
      const row = key && value && (await reader.read(value));
      if (row) ids.add(topic, { key: null, row, headers });
    }
  return ids.unclaimed();
}
