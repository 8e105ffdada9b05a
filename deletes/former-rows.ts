import { isBefore, type SourcePoint } from '../connectors/source/point.ts';
import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import type { Log, StoredRecord } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { accepted } from './accepted.ts';
import type { Erasure, Journal, OwnerHashes } from './journal.ts';
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
 * there is a delete. Their keys are written down before a compaction takes these records away, so that view topics
 * and dead letters can be looked through for them. Once for each barrier; reads every topic of the subject's tables
 * from beginning to end, what is referred to before what refers to it.
 */
export async function findFormer(erasures: readonly Erasure[], parts: FormerParts): Promise<void> {
  const { journal } = parts;
  const open = erasures.filter((e) => e.point !== null && e.owners.length > 0 && e.formerOf !== e.barrier);
  if (open.length === 0) return;
  const searches = open.map((erasure) => new Search(erasure));
  for (const topic of inReferringOrder(searches.flatMap((search) => search.owners)))
    await searchTopic(topic, searches, parts);
  for (const { erasure, owners, keys } of searches)
    await accepted(
      journal.record({
        type: 'former',
        erasure: erasure.id,
        barrier: erasure.barrier!,
        keys: [...keys].map(([topic, hashes]) => ({ topic, hashes: [...hashes] })),
        owners: owners.filter((of) => of.through !== null),
      }),
    );
}

/** What is searched of one erasure, and what is found. */
class Search {
  readonly erasure: Erasure;
  readonly point: SourcePoint;
  readonly keys = new Map<string, Set<string>>();
  owners: readonly OwnerHashes[];
  readonly #erased: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(erasure: Erasure) {
    this.erasure = erasure;
    this.point = erasure.point!;
    this.owners = erasure.owners;
    this.#erased = new Map(erasure.keys.map(({ topic, hashes }) => [topic, new Set(hashes)]));
  }

  /** By column the hashes that tell the subject in this topic. */
  columns(topic: string): [string, ReadonlySet<string>][] {
    return this.owners.flatMap((of): [string, ReadonlySet<string>][] =>
      of.topic === topic && of.hashes !== null ? [[of.column, new Set(of.hashes)]] : [],
    );
  }

  /** A row that was the subject's and is deleted; what refers to it was the subject's as well. */
  add(topic: string, hash: string, row: Row, hasher: KeyHasher): void {
    if (this.#erased.get(topic)?.has(hash)) return;
    this.keys.set(topic, (this.keys.get(topic) ?? new Set()).add(hash));
    this.owners = this.owners.map((of) => {
      const { through, hashes } = of;
      const value = through?.topics.includes(topic) ? row[through.column] : undefined;
      if (value === undefined || value === null || hashes === null) return of;
      return { ...of, hashes: [...new Set([...hashes, hasher.key(of.topic, { [of.column]: value })])] };
    });
  }
}

interface Candidate {
  readonly search: Search;
  readonly row: Row;
  /** The newest record of its key is a delete. */
  deleted: boolean;
}

async function searchTopic(topic: string, searches: readonly Search[], parts: FormerParts): Promise<void> {
  const { log, hasher, signal } = parts;
  const sought = searches.map((search) => ({ search, columns: search.columns(topic) }));
  const names = [...new Set(sought.flatMap(({ columns }) => columns.map(([name]) => name)))];
  if (names.length === 0 || !(await log.partitions([topic])).has(topic)) return;
  const reader = new AnyReader(log.schemas);
  const candidates = new Map<string, Candidate[]>();
  const ownersOf = (record: StoredRecord, row: Row): Search[] => {
    const hashes = new Map<string, string>();
    for (const name of names) {
      const value = row[name];
      if (value !== null && value !== undefined) hashes.set(name, hasher.key(topic, { [name]: value }));
    }
    return sought
      .filter(
        ({ search, columns }) =>
          columns.some(([name, known]) => known.has(hashes.get(name) ?? '')) &&
          isBefore(record.headers, search.point),
      )
      .map(({ search }) => search);
  };
  for await (const { partition, records } of readToEnd(log, [topic], { signal }))
    for (const record of records) {
      if (!record.key) continue;
      const id = `${partition}/${record.key.toString('latin1')}`;
      const known = candidates.get(id) ?? [];
      for (const candidate of known) candidate.deleted = record.value === null;
      const row = record.value && (await reader.read(record.value));
      if (!row) continue;
      for (const search of ownersOf(record, row))
        if (!known.some((candidate) => candidate.search === search)) {
          known.push({ search, row, deleted: false });
          candidates.set(id, known);
        }
    }
  for (const [id, found] of candidates) {
    if (!found.some(({ deleted }) => deleted)) continue;
    const key = await reader.read(Buffer.from(id.slice(id.indexOf('/') + 1), 'latin1'));
    if (!key) continue;
    for (const { search, row, deleted } of found)
      if (deleted) search.add(topic, hasher.key(topic, key), row, hasher);
  }
}

/** Topics, each behind those that its rows refer to; within a circle as they come. */
function inReferringOrder(owners: readonly OwnerHashes[]): string[] {
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
