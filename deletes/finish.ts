import { setTimeout as wait } from 'node:timers/promises';
import type { SourceEraser } from '../connectors/source/erasure.ts';
import { isInsideoutError } from '../core/errors.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { readDeadLetters, removeDeadLetters } from '../materializer/apply/dead-letters.ts';
import { AppliedWatch, type Behind } from './applied.ts';
import { certificateHash, signCertificate } from './certificate.ts';
import type { ErasureKey } from './erasure-key.ts';
import type { Erasure, Journal } from './journal.ts';
import { type LookParts, lookEverywhere, statement, topicsToLookAt } from './look.ts';
import { generationName } from './look-views.ts';
import { waitUntilPassed } from './passing.ts';
import { type Place, settled } from './place.ts';
import { type Target, Tracer } from './target.ts';

export interface FinishParts extends LookParts {
  readonly journal: Journal;
  readonly key: ErasureKey;
  readonly source: string;
  readonly eraser: SourceEraser;
  /** Values that were each subject's alone, by erasure; none where another process began it. */
  readonly telling: ReadonlyMap<string, readonly string[]>;
  /** Rows of the subject that the database has, those that are only anonymised left out, by table; null when its id is not known any more. */
  readonly left: (erasure: string) => Promise<Readonly<Record<string, number>> | null>;
  /** What is known meanwhile. */
  readonly onPlaces?: (places: ReadonlyMap<string, readonly Place[]>) => void;
}

/** How often places that still hold a trace are looked at again before it is left as it is. */
const looks = 5;

/**
 * Takes erasures of one source from where they are to their certificates: waits until the source has passed them
 * and every generation has applied them, removes dead letters, has the Log compacted, reads every place back, and
 * signs what it found. An erasure whose places still hold a trace gets no certificate, and can be finished later.
 * Interrupted at any point, it is gone on with by calling it again. Returns the erasures as they are then.
 */
export async function finishErasures(ids: readonly string[], parts: FinishParts): Promise<Erasure[]> {
  const { journal, signal } = parts;
  const current = () => ids.map((id) => journal.state.erasures.get(id)!);
  await waitUntilPassed(current(), { ...parts, again: parts.telling.size === 0 });
  await waitUntilApplied(current(), parts);
  const open = () => current().filter((erasure) => erasure.phase !== 'completed');
  for (let look = 1; open().length > 0; look++) {
    await cleanLog(open(), parts);
    const found = await lookEverywhere(
      open().map((e) => targetOf(e, parts)),
      parts,
    );
    const places = new Map<string, Place[]>();
    for (const erasure of open())
      places.set(erasure.id, [...(await databasePlaces(erasure, parts)), ...(found.get(erasure.id) ?? [])]);
    parts.onPlaces?.(places);
    for (const [erasure, list] of places) await journal.record({ type: 'looked', erasure, places: list });
    for (const erasure of open()) if (settled(erasure.places)) await certify(erasure, parts);
    if (look >= looks) break;
    if (open().length > 0) await wait(look * 1_000, undefined, { signal });
  }
  return current();
}

const targetOf = (erasure: Erasure, { telling }: FinishParts): Target => ({
  erasure: erasure.id,
  keys: new Map(erasure.keys.map(({ topic, hashes }) => [topic, new Set(hashes)])),
  telling: telling.get(erasure.id) ?? [],
});

async function waitUntilApplied(erasures: readonly Erasure[], parts: FinishParts): Promise<void> {
  // The latest marks: whoever is past those is past all.
  const ends = new Map<string, number>();
  for (const erasure of erasures)
    for (const [key, end] of erasure.ends) ends.set(key, Math.max(end, ends.get(key) ?? 0));
  const watch = new AppliedWatch({ ...parts, ends });
  await watch.wait(parts.signal, (behind) =>
    parts.onPlaces?.(new Map(erasures.map((e) => [e.id, behind.map(pending)]))),
  );
}

const pending = ({ entry, reason }: Behind): Place =>
  statement('generation', generationName(entry.store, entry.view, entry.generation), {
    state: 'pending',
    reason,
  });

/** Dead letters of erased rows are removed, and older records of erased keys compacted away. */
async function cleanLog(erasures: readonly Erasure[], parts: FinishParts): Promise<void> {
  const { log, hasher, signal } = parts;
  const targets = erasures.map((e) => targetOf(e, parts));
  const tracer = new Tracer(hasher, targets);
  const topics = await topicsToLookAt(tracer.topics, parts);
  const reader = new AnyReader(log.schemas);
  for (const place of topics.filter((t) => t.kind !== 'dead letters')) {
    const doomed = [];
    for (const letter of await readDeadLetters(log, place.topic, { signal })) {
      const key = letter.key && (await reader.read(letter.key));
      const row = letter.value && (await reader.read(letter.value));
      const named = key && Object.fromEntries(Object.entries(key).map(([n, v]) => [place.key[n] ?? n, v]));
      if ((named && tracer.ofKey(place.origin, named).length > 0) || (row && tracer.ofValues(row).length > 0))
        doomed.push(letter);
    }
    if (doomed.length > 0) await removeDeadLetters(log, doomed, { signal });
  }
  await log.compact(
    topics.map((t) => t.topic),
    { signal },
  );
}

/** The database asked again for the subject's rows, and what its own files keep. */
async function databasePlaces(erasure: Erasure, parts: FinishParts): Promise<Place[]> {
  const { source, left } = parts;
  const rows = await left(erasure.id);
  const places = Object.keys({ ...erasure.rows, ...rows }).map((table) => {
    const name = `${source} ${table}`;
    if (rows === null)
      return statement('table', name, {
        state: 'unverifiable',
        reason: 'The id is not known any more: erase the same subject again to have the database asked.',
      });
    const count = rows[table] ?? 0;
    return count === 0
      ? statement('table', name, { state: 'verified', reason: 'Asked for the subject: no row.' })
      : statement('table', name, { state: 'applied', reason: `${count} rows are there again.` });
  });
  return [
    ...places,
    statement('database files', source, {
      state: 'unverifiable',
      reason:
        'Postgres keeps dead rows until VACUUM, and WAL, replicas and backups hold them as long as they are kept.',
    }),
  ];
}

async function certify(erasure: Erasure, parts: FinishParts): Promise<void> {
  const { journal, key } = parts;
  for (;;) {
    const { chain } = journal.state;
    const last = chain.at(-1);
    const certificate = signCertificate(
      {
        version: 1,
        number: chain.length + 1,
        erasure: erasure.id,
        subject: erasure.subject,
        subjectHash: erasure.subjectHash,
        requestedAt: new Date(erasure.requestedAt).toISOString(),
        completedAt: new Date().toISOString(),
        by: erasure.by,
        rows: erasure.rows,
        places: erasure.places,
        previous: last ? certificateHash(last) : null,
      },
      key.privateKey,
    );
    try {
      await journal.record({ type: 'completed', erasure: erasure.id, certificate });
      return;
    } catch (error) {
      // Another certificate became the next of the chain, or this erasure has one already.
      if (!isInsideoutError(error, 'CATALOG_CONFLICT')) throw error;
      if (journal.state.erasures.get(erasure.id)?.phase === 'completed') return;
    }
  }
}
