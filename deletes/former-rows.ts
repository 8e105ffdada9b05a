import { isBefore, type SourcePoint } from '../connectors/source/point.ts';
import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { isTruncate } from '../log/avro/truncate-record.ts';
import type { Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { accepted } from './accepted.ts';
import { inParts } from './event-parts.ts';
import { hashesByTopic } from './hash-lists.ts';
import type { ErasedKeys, Erasure, Journal, OwnedBefore, OwnerHashes } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';

export interface FormerParts {
  readonly log: Log;
  readonly journal: Journal;
  readonly hasher: KeyHasher;
  readonly signal: AbortSignal;
}

/**
 * Finds rows that were a subject's and that its database had no more when it was erased, as an order that the
 * application deleted a minute before: by their older records, which tell the subject in a column, and behind which
 * there is a delete or a TRUNCATE. Their keys are written down before a compaction takes these records away, so that
 * view topics and dead letters can be looked through for them. Once for each barrier; reads every topic of the
 * subject's tables from beginning to end, what is referred to before what refers to it. False when rows of one of them were deleted
 * once more meanwhile: then nothing may be compacted before these have passed, and are searched for, too.
 */
export async function findFormer(erasures: readonly Erasure[], parts: FormerParts): Promise<boolean> {
  const { journal } = parts;
  const open = erasures.filter((e) => e.point !== null && e.owners.length > 0 && e.formerOf !== e.barrier);
  if (open.length === 0) return true;
  const searches = open.map((erasure) => new Search(erasure));
  for (const topic of inReferringOrder(searches.flatMap((search) => search.owners)))
    await searchTopic(topic, searches, parts);
  let whole = true;
  for (const search of searches) whole = (await writeDown(search, journal)) && whole;
  return whole;
}

async function writeDown({ erasure, keys, owners }: Search, journal: Journal): Promise<boolean> {
  const { id, barrier, point } = erasure;
  const found = {
    keys: [...keys].map(([topic, hashes]): ErasedKeys => ({ topic, hashes: [...hashes] })),
    owners: owners
      .filter(({ fresh }) => fresh.size > 0)
      .map(
        ({ topic, column, through, fresh }): OwnerHashes => ({ topic, column, through, hashes: [...fresh] }),
      ),
  };
  for (const [part, more] of inParts(found)) {
    const event = {
      type: 'former' as const,
      erasure: id,
      barrier: barrier!,
      point: point!,
      ...part,
      ...more,
    };
    if (await accepted(journal.record(event))) continue;
    // Another process that searched the same records at the same time was faster.
    return journal.state.erasures.get(id)!.formerOf === barrier;
  }
  return true;
}

/** A column that tells the subject's rows, and the hashes that were found to do so as well. */
interface Owner extends Omit<OwnedBefore, 'hashes'> {
  readonly hashes: ReadonlySet<string> | null;
  readonly fresh: Set<string>;
}

/** What is searched of one erasure, and what is found. */
class Search {
  readonly erasure: Erasure;
  readonly owners: readonly Owner[];
  readonly keys = new Map<string, Set<string>>();
  readonly #erased: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(erasure: Erasure) {
    this.erasure = erasure;
    this.owners = erasure.owners.map((of) => ({
      ...of,
      hashes: of.hashes && new Set(of.hashes),
      fresh: new Set(),
    }));
    this.#erased = hashesByTopic(erasure.keys);
  }

  /** A row that was the subject's and is deleted; what refers to it was the subject's as well. */
  add(topic: string, hash: string, row: Row, hasher: KeyHasher): void {
    if (this.#erased.get(topic)?.has(hash)) return;
    this.keys.set(topic, (this.keys.get(topic) ?? new Set()).add(hash));
    for (const { through, hashes, fresh, topic: of, column } of this.owners) {
      const value = through?.topics.includes(topic) ? row[through.column] : undefined;
      if (value === undefined || value === null || hashes === null) continue;
      const owner = hasher.key(of, { [column]: value });
      if (!hashes.has(owner)) fresh.add(owner);
    }
  }
}

interface Owned {
  readonly search: Search;
  readonly point: SourcePoint;
}

/** By column and hash: whose rows they are. */
type Index = ReadonlyMap<string, ReadonlyMap<string, readonly Owned[]>>;

function indexOf(topic: string, searches: readonly Search[]): Index {
  const index = new Map<string, Map<string, Owned[]>>();
  for (const search of searches)
    for (const of of search.owners) {
      if (of.topic !== topic || !of.hashes) continue;
      const column = index.get(of.column) ?? new Map<string, Owned[]>();
      index.set(of.column, column);
      const owned = { search, point: search.erasure.point! };
      for (const hash of of.hashes)
        column.set(hash, [...(column.get(hash) ?? []), { search, point: of.point }]);
      for (const hash of of.fresh) column.set(hash, [...(column.get(hash) ?? []), owned]);
    }
  return index;
}

interface Candidate {
  /** One row that each had. */
  readonly rows: Map<Search, Row>;
  /** The newest record of the key is a delete, or there is a TRUNCATE behind it. */
  deleted: boolean;
}

async function searchTopic(topic: string, searches: readonly Search[], parts: FormerParts): Promise<void> {
  const { log, hasher, signal } = parts;
  const index = indexOf(topic, searches);
  if (index.size === 0 || !(await log.partitions([topic])).has(topic)) return;
  const reader = new AnyReader(log.schemas);
  const candidates = new Map<number, Map<string, Candidate>>();
  for await (const { partition, records } of readToEnd(log, [topic], { signal })) {
    const inPartition = candidates.get(partition) ?? new Map<string, Candidate>();
    candidates.set(partition, inPartition);
    for (const { key, value, headers } of records) {
      if (!key) continue;
      if (isTruncate({ headers })) {
        for (const candidate of inPartition.values()) candidate.deleted = true;
        continue;
      }
      const bytes = key.toString('latin1');
      const known = inPartition.get(bytes);
      if (known) known.deleted = value === null;
      const row = value && (await reader.read(value));
      if (!row) continue;
      for (const [column, owners] of index) {
        const of = row[column];
        if (of === null || of === undefined) continue;
        for (const { search, point } of owners.get(hasher.key(topic, { [column]: of })) ?? []) {
          if (!isBefore(headers, point)) continue;
          const candidate = inPartition.get(bytes) ?? { rows: new Map<Search, Row>(), deleted: false };
          inPartition.set(bytes, candidate);
          candidate.rows.set(search, row);
        }
      }
    }
  }
  for (const [bytes, { rows, deleted }] of [...candidates.values()].flatMap((of) => [...of])) {
    if (!deleted) continue;
    const key = await reader.read(Buffer.from(bytes, 'latin1'));
    if (key) for (const [search, row] of rows) search.add(topic, hasher.key(topic, key), row, hasher);
  }
}

/** Topics, each behind those that its rows refer to; within a circle as they come. */
function inReferringOrder(owners: readonly Pick<OwnerHashes, 'topic' | 'through'>[]): string[] {
  const refersTo = new Map<string, Set<string>>();
  for (const { topic, through } of owners) {
    const topics = refersTo.get(topic) ?? new Set();
    refersTo.set(topic, topics);
    for (const of of through?.topics ?? []) if (of !== topic) topics.add(of);
  }
  const order: string[] = [];
  const left = new Set(refersTo.keys());
  while (left.size > 0) {
    const free = [...left].find((topic) => [...refersTo.get(topic)!].every((of) => !left.has(of)));
    const next = free ?? [...left][0]!;
    left.delete(next);
    order.push(next);
  }
  return order;
}
