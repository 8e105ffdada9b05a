import type { OverwrittenText } from '../connectors/source/erasure.ts';
import { isBefore, type SourcePoint } from '../connectors/source/point.ts';
import type { Row, Value } from '../core/value.ts';
import type { Headers } from '../log/log.ts';
import type { OverwrittenKeys } from './journal.ts';
import { type KeyHasher, keyText } from './key-hash.ts';
import type { Earlier, LookedAt, RowTraces, Sought, Target } from './target.ts';

/** Finds traces of several erasures in one pass. */
export class Tracer {
  readonly #hasher: KeyHasher;
  readonly #byKey = new Map<string, Map<string, string[]>>();
  readonly #byValue = new Map<string, string[]>();
  /** Telling values by how they are written: as text, and where that differs as bytes, a character for each. */
  readonly #written = new Map<string, string>();
  /** How long those are that begin so: searching a text takes as long for one subject as for a thousand. */
  readonly #heads = new Map<string, Set<number>>();
  /** Keys under which records of before a point are traces, by topic and hash. */
  readonly #earlier = new Map<string, Map<string, Before[]>>();
  readonly #former = new Map<string, Map<string, Before[]>>();
  /** Hashes of what is in a column, by topic and column. */
  readonly #owners = new Map<string, Map<string, Map<string, Owned[]>>>();
  readonly #targets: ReadonlyMap<string, Target>;

  constructor(hasher: KeyHasher, targets: readonly Target[]) {
    this.#hasher = hasher;
    this.#targets = new Map(targets.map((target) => [target.erasure, target]));
    for (const target of targets) this.#add(target);
  }

  #add({ erasure, keys, former, overwritten, owners, telling }: Target): void {
    for (const [topic, hashes] of keys) {
      const ofTopic = within(this.#byKey, topic);
      for (const hash of hashes) push(ofTopic, hash, erasure);
    }
    const before = (index: Map<string, Map<string, Before[]>>, lists: readonly OverwrittenKeys[]) => {
      for (const { topic, hashes, point } of lists)
        for (const hash of hashes) push(within(index, topic), hash, { erasure, point });
    };
    before(this.#earlier, [...overwritten, ...former]);
    before(this.#former, former);
    for (const { topic, column, hashes, point, former } of owners) {
      const ofColumn = within(within(this.#owners, topic), column);
      for (const hash of hashes ?? []) push(ofColumn, hash, { erasure, point, orphan: former });
    }
    for (const value of telling) {
      if (!this.#byValue.has(value))
        for (const text of new Set([value, Buffer.from(value).toString('latin1')])) {
          this.#written.set(text, value);
          if (text.length < shortest) continue;
          const head = text.slice(0, shortest);
          this.#heads.set(head, (this.#heads.get(head) ?? new Set()).add(text.length));
        }
      push(this.#byValue, value, erasure);
    }
  }

  /** Topics that have, or may have had, rows of the subjects. */
  get topics(): string[] {
    return [...new Set([...this.#byKey.keys(), ...this.#earlier.keys(), ...this.#owners.keys()])];
  }

  sought(erasure: string, topic: string): Sought {
    const target = this.#targets.get(erasure)!;
    const owners = target.owners.filter((of) => of.topic === topic);
    const overwritten = target.overwritten.filter((of) => of.topic === topic);
    const texts = target.texts.get(topic);
    return {
      keys: (target.keys.get(topic)?.size ?? 0) > 0,
      values: target.telling.length > 0,
      overwritten:
        overwritten.length === 0 ? 'none' : overwritten.every((of) => of.hashes.length > 0) ? 'all' : 'some',
      owners: owners.length === 0 ? 'none' : owners.some((of) => of.hashes === null) ? 'some' : 'all',
      // Of a row that had been overwritten before there is nothing to compare with.
      texts:
        overwritten.length > 0 &&
        overwritten.every(
          ({ hashes }) => hashes.length > 0 && hashes.every((hash) => (texts?.get(hash) ?? []).length > 0),
        ),
    };
  }

  /**
   * The erasures of which this record tells an earlier state: it is of before their point, and its row was the
   * subject's then, or was overwritten since. `orphans`: those that only a row tells which it refers to and which had
   * been deleted before.
   */
  ofEarlier(topic: string, { key, row, headers }: LookedAt): Earlier {
    const found = new Set<string>();
    const orphans = new Set<string>();
    const hashes = this.#earlier.get(topic);
    if (key && hashes)
      for (const { erasure, point } of hashes.get(this.#hasher.key(topic, key)) ?? [])
        if (isBefore(headers, point)) found.add(erasure);
    if (row)
      for (const [column, owners] of this.#owners.get(topic) ?? []) {
        const of = row[column];
        if (owners.size === 0 || of === undefined || of === null) continue;
        for (const { erasure, point, orphan } of owners.get(this.#hasher.key(topic, { [column]: of })) ?? [])
          if (isBefore(headers, point)) (orphan ? orphans : found).add(erasure);
      }
    if (found.size + orphans.size === 0) return noEarlier;
    return { found: [...found], orphans: [...orphans].filter((erasure) => !found.has(erasure)) };
  }

  /**
   * The erasures with rows in this topic of which it cannot be told whether this record was of one of them: it is of
   * before, and no column of it says whose it is, but one that refers to a row that nobody may remember.
   */
  ofUnknown(topic: string, { row, headers }: LookedAt): readonly string[] {
    const unknown: string[] = [];
    for (const [erasure, { point, owners }] of this.#targets) {
      const ofTopic = owners.filter((of) => of.topic === topic);
      if (point === null || ofTopic.length === 0 || !isBefore(headers, point)) continue;
      const told = row !== null && ofTopic.every((of) => of.through === null && row[of.column] !== undefined);
      if (!told) unknown.push(erasure);
    }
    return unknown;
  }

  /**
   * The erasures before which this record was, where it tells the id of a subject in a column and this is not theirs:
   * with that id. It is somebody else's, or the subject's from before its id was changed.
   */
  ofOthers(
    topic: string,
    { row, headers }: Pick<LookedAt, 'row' | 'headers'>,
  ): { erasure: string; id: string }[] {
    const others: { erasure: string; id: string }[] = [];
    if (row)
      for (const [column, owned] of this.#owners.get(topic) ?? []) {
        const of = row[column];
        if (of === undefined || of === null) continue;
        const hash = this.#hasher.key(topic, { [column]: of });
        const theirs = new Set(owned.get(hash)?.map(({ erasure }) => erasure));
        for (const [erasure, { point, owners }] of this.#targets) {
          if (point === null || theirs.has(erasure) || !isBefore(headers, point)) continue;
          const direct = owners.some((o) => o.topic === topic && o.column === column && o.through === null);
          if (direct) others.push({ erasure, id: keyText(of) });
        }
      }
    return others;
  }

  /** Where the ids of an erasure's subjects stand: the table that is listed first, in each topic that it has. */
  ownTables(erasure: string): readonly { topic: string; column: string }[] {
    const direct = this.#targets.get(erasure)!.owners.filter((of) => of.through === null);
    return direct.filter((of) => of.column === direct[0]!.column);
  }

  /** The erasures of which rows of this topic are known by what they refer to alone. */
  referring(topic: string): readonly string[] {
    return [...this.#targets.values()]
      .filter(({ owners }) => owners.some((of) => of.topic === topic && of.through !== null))
      .map(({ erasure }) => erasure);
  }

  /**
   * The erasures of which a row with this key is dead: erased, or deleted long before, as by a TRUNCATE, which leaves
   * the records of its rows the newest of their keys.
   */
  ofDead(topic: string, key: Row, headers: Headers): readonly string[] {
    const erased = this.#byKey.get(topic);
    const former = this.#former.get(topic);
    if (!erased?.size && !former) return none;
    const hash = this.#hasher.key(topic, key);
    const dead = (former?.get(hash) ?? [])
      .filter(({ point }) => isBefore(headers, point))
      .map(({ erasure }) => erasure);
    const keys = erased?.get(hash) ?? none;
    return dead.length === 0 ? keys : [...new Set([...keys, ...dead])];
  }

  /** What a row of a view tells; `key` has the origin's names. */
  ofRow(topic: string, key: Row, row: Row): RowTraces {
    const erased = this.#byKey.get(topic);
    const earlier = this.#earlier.get(topic);
    const values = this.ofValues(row);
    if (!erased?.size && !earlier) return { byKey: none, byValue: values, former: none, elsewhere: none };
    const hash = this.#hasher.key(topic, key);
    const before = [...new Set((earlier?.get(hash) ?? []).map(({ erasure }) => erasure))];
    const textsOf = (erasure: string) => this.#targets.get(erasure)!.texts.get(topic)?.get(hash) ?? [];
    const overwritten = before.filter((erasure) => hasText(row, textsOf(erasure)));
    return {
      byKey: erased?.get(hash) ?? none,
      byValue: overwritten.length === 0 ? values : [...new Set([...values, ...overwritten])],
      former: [...new Set((this.#former.get(topic)?.get(hash) ?? []).map(({ erasure }) => erasure))],
      elsewhere: before.filter((erasure) => hasTextElsewhere(row, textsOf(erasure))),
    };
  }

  /** The erasures that the row of this key belonged to. */
  ofKey(topic: string, key: Row): readonly string[] {
    const hashes = this.#byKey.get(topic);
    return (hashes?.size ? hashes.get(this.#hasher.key(topic, key)) : undefined) ?? none;
  }

  /** The erasures whose subject alone had a value that is in this row, at any depth or within a text. */
  ofValues(row: Row): readonly string[] {
    const found = this.valuesIn(row);
    return found.length === 0
      ? none
      : [...new Set(found.flatMap((value) => this.#byValue.get(value) ?? none))];
  }

  /** The values themselves. */
  valuesIn(row: Row): readonly string[] {
    if (this.#byValue.size === 0) return none;
    const found = new Set<string>();
    for (const value of Object.values(row)) this.#search(value, found);
    return found.size === 0 ? none : [...found];
  }

  #search(value: Value, found: Set<string>): void {
    if (value === null || typeof value === 'boolean') return;
    if (typeof value === 'object' && !(value instanceof Uint8Array)) {
      for (const [name, member] of Object.entries(value)) {
        if (!Array.isArray(value)) this.#search(name, found);
        this.#search(member, found);
      }
      return;
    }
    const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
    const whole = this.#written.get(text);
    if (whole !== undefined) found.add(whole);
    if (typeof value === 'number' || typeof value === 'bigint') return;
    for (let at = 0; at + shortest <= text.length; at++)
      for (const length of this.#heads.get(text.slice(at, at + shortest)) ?? noLengths) {
        const telling = this.#written.get(text.slice(at, at + length));
        if (telling !== undefined) found.add(telling);
      }
  }
}

interface Before {
  readonly erasure: string;
  readonly point: SourcePoint;
}

/** True when a row still has what was overwritten, in the column of that name. */
const hasText = (row: Row, texts: readonly OverwrittenText[]): boolean =>
  texts.some(({ column, text }) => column in row && isOrHolds(row[column]!, text));

const hasTextElsewhere = (row: Row, texts: readonly OverwrittenText[]): boolean =>
  texts.some(
    ({ column, text }) =>
      text.length >= shortest &&
      Object.entries(row).some(([name, value]) => name !== column && isOrHolds(value, text)),
  );

function isOrHolds(value: Value, text: string): boolean {
  if (value === null || typeof value === 'boolean') return false;
  const written = keyText(value);
  return written === text || (text.length >= shortest && written.includes(text));
}

interface Owned extends Before {
  readonly orphan: boolean;
}

const noEarlier: Earlier = { found: [], orphans: [] };

/** The map under this key, made when there is none. */
function within<T>(maps: Map<string, Map<string, T>>, key: string): Map<string, T> {
  const known = maps.get(key) ?? new Map<string, T>();
  maps.set(key, known);
  return known;
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** Telling values are at least this long. */
const shortest = 4;
const none: readonly string[] = [];
const noLengths: ReadonlySet<number> = new Set();
