import { setTimeout as wait } from 'node:timers/promises';
import type { SourceEraser } from '../connectors/source/erasure.ts';
import { InsideoutError } from '../core/errors.ts';
import { accepted } from './accepted.ts';
import { AppliedWatch, type Behind } from './applied.ts';
import {
  authentic,
  certificateHash,
  chainProblems,
  keysDigest,
  lookedFor,
  signCertificate,
} from './certificate.ts';
import { cleanLog } from './clean-log.ts';
import type { ErasureKey } from './erasure-key.ts';
import { findFormer } from './former-rows.ts';
import { type Erasure, type Journal, journalTopic } from './journal.ts';
import { unsettled } from './journal-fold.ts';
import { type LookParts, lookEverywhere, statement } from './look.ts';
import { generationName } from './look-views.ts';
import { waitUntilPassed } from './passing.ts';
import { patiently } from './patience.ts';
import { type Place, placeId, remembered, sameStates, settled } from './place.ts';
import { settleRounds } from './rounds.ts';
import { keyPlaces, shredKeys } from './shredding-place.ts';
import { type RowsLeft, tablePlaces } from './table-places.ts';
import { type KnownValues, targetOf } from './target.ts';
import { recoverTopicDeletes } from './topic-deletes.ts';
import { requestPlaces, waitsForRetention } from './topic-places.ts';
import { undisturbed } from './undisturbed.ts';

export interface FinishParts extends LookParts {
  readonly journal: Journal;
  readonly key: ErasureKey;
  /** The copy of the journal, and what `keepJournal` found in it. */
  readonly kept: { readonly file: string; readonly altered: readonly string[] };
  /** Null for keys of topics that no source of ours writes. */
  readonly origin: { readonly source: string; readonly eraser: SourceEraser } | null;
  /** First part of the names of our own topics. */
  readonly namespace: string;
  /** What this process knows of the subjects of erasures that it began. */
  readonly known: ReadonlyMap<string, KnownValues>;
  /** Rows of the subject that the database has, by table; null when its id is not known any more. */
  readonly left: (erasure: string) => Promise<Readonly<Record<string, RowsLeft>> | null>;
  /**
   * Nobody is there who could stop it: after this many milliseconds it waits no longer for the source and for
   * generations, and of what it found it writes down only what is new, since the journal is kept for ever.
   */
  readonly patienceMs?: number | undefined;
}

/** A source that runs passes them sooner. */
const lateMs = 2_000;

/** How often places that still hold a trace are looked at again before it is left as it is. */
const looks = 5;

/**
 * Takes erasures of one source from where they are to their certificates: waits until the source has passed them
 * and every generation has applied them, removes dead letters, has the Log compacted, reads every place back, and
 * signs what it found. Nothing is signed onto a chain that is broken, or for a journal that was altered:
 * `ERASURE_BROKEN` then, with everything else done. An erasure whose places still hold a trace gets no certificate,
 * and can be finished later; one of which it is not known what is deleted stays as it is, and must be begun again.
 * Interrupted at any point, it is gone on with by calling it again. Returns the erasures as they are then.
 */
export async function finishErasures(ids: readonly string[], parts: FinishParts): Promise<Erasure[]> {
  const { journal, signal } = parts;
  const current = () => ids.map((id) => journal.state.erasures.get(id)!);
  let again = ids.some((id) => !parts.known.has(id));
  do {
    if (parts.origin) {
      const { source, eraser } = parts.origin;
      const late = setTimeout(
        () => parts.onPlaces?.(new Map(ids.map((id) => [id, [unpassed(source)]]))),
        lateMs,
      );
      try {
        while (!(await settleRounds(ids, { journal, eraser })) && parts.patienceMs === undefined)
          await wait(500, undefined, { signal });
        const passing = { ...parts, source, eraser, again };
        if (!(await patiently(parts, (signal) => waitUntilPassed(current(), { ...passing, signal })))) break;
      } finally {
        clearTimeout(late);
      }
    } else await recoverTopicDeletes(current(), parts);
    // Somebody deleted rows of it once more meanwhile.
    again = true;
  } while (current().some((erasure) => erasure.phase === 'deleted'));
  const open = () => current().filter(certifiable);
  const seenNow = (id: string) => journal.state.erasures.get(id)!.valuesSeen;
  const seenBefore = new Map(ids.map((id) => [id, seenNow(id)]));
  for (let look = 1; open().length > 0; look++) {
    const places = await undisturbed(parts.catalog, () => lookOnce(open(), { ...parts, bury: look > 1 }));
    if (!places) break;
    // What was seen before this began, perhaps of values that are not known here, is not taken back.
    for (const [id, list] of places)
      places.set(id, remembered(list, knowsValues(id, parts) ? seenBefore.get(id)! : seenNow(id)));
    parts.onPlaces?.(places);
    const clean: [string, readonly Place[]][] = [];
    for (const [erasure, list] of places) {
      const known =
        parts.patienceMs !== undefined && sameStates(journal.state.erasures.get(erasure)!.places, list);
      const valued = knowsValues(erasure, parts) ? { valued: true as const } : {};
      if (known || (await accepted(journal.record({ type: 'looked', erasure, places: list, ...valued }))))
        if (settled(list)) clean.push([erasure, list]);
    }
    if (clean.length > 0) assertWhole(parts);
    for (const [erasure, list] of clean) await certify(journal.state.erasures.get(erasure)!, list, parts);
    const lists = [...places.values()];
    const late = lists.some((list) => list.some((place) => place.state === 'pending'));
    if (look >= looks || open().length === 0 || (late && parts.patienceMs !== undefined)) break;
    if (!(await waitsForRetention(lists, parts.log))) await wait(look * 1_000, undefined, { signal });
    // The second look has buried what was back.
    else if (look > 1) break;
  }
  return current();
}

const knowsValues = (erasure: string, { known }: FinishParts): boolean =>
  (known.get(erasure)?.telling ?? []).length > 0;

const certifiable = (erasure: Erasure): boolean => erasure.phase === 'passed' && !unsettled(erasure);

/**
 * Everything that has to be done before places can be read back, and the reading. Null when rows of one of them were
 * deleted once more meanwhile.
 */
async function lookOnce(
  erasures: readonly Erasure[],
  parts: FinishParts & { readonly bury: boolean },
): Promise<Map<string, Place[]> | null> {
  const watch = new AppliedWatch({ ...parts, ends: latest(erasures) });
  let waitingFor: readonly Behind[] = [];
  const there = await patiently(parts, (signal) =>
    watch.wait(signal, (behind) => {
      waitingFor = behind;
      parts.onPlaces?.(new Map(erasures.map((e) => [e.id, behind.map(pending)])));
    }),
  );
  if (!there) return new Map(erasures.map((e) => [e.id, waitingFor.map(pending)]));
  const requests = await requestPlaces(erasures, parts);
  shredKeys(erasures, parts.shred);
  const keys = keyPlaces(erasures, parts.shred);
  const tables = new Map<string, Place[]>();
  for (const erasure of erasures) {
    const more = [requests.get(erasure.id), keys.get(erasure.id)].filter((place) => place !== undefined);
    tables.set(erasure.id, [
      ...(parts.origin ? tablePlaces(erasure, parts.origin.source, await parts.left(erasure.id)) : []),
      ...more,
    ]);
  }
  const gone = (e: Erasure) => tables.get(e.id)!.every((place) => place.state !== 'applied');
  parts.onPlaces?.(tables);
  if (!(await findFormer(erasures, parts))) return null;
  const targets = erasures.map((e) =>
    targetOf(parts.journal.state.erasures.get(e.id)!, parts.known.get(e.id)),
  );
  await cleanLog(targets, {
    ...parts,
    // What was lifted is let in again: its keys may be somebody else's.
    bury: parts.bury ? new Set(erasures.filter((e) => gone(e) && !e.lifted).map((e) => e.id)) : new Set(),
  });
  const found = await lookEverywhere(targets, {
    ...parts,
    onPlaces: (read) =>
      parts.onPlaces?.(new Map([...tables].map(([id, list]) => [id, [...list, ...(read.get(id) ?? [])]]))),
  });
  // What was staged meanwhile may have read records that are gone from the Log now, and have none of them yet.
  const behind = (await new AppliedWatch({ ...parts, ends: latest(erasures) }).look()).map(pending);
  const late = new Set(behind.map(placeId));
  return new Map(
    erasures.map(({ id }) => [
      id,
      [...tables.get(id)!, ...(found.get(id) ?? []).filter((p) => !late.has(placeId(p))), ...behind],
    ]),
  );
}

/** The latest marks: whoever is past those is past all. */
function latest(erasures: readonly Erasure[]): Map<string, number> {
  const ends = new Map<string, number>();
  for (const erasure of erasures)
    for (const [key, end] of erasure.ends) ends.set(key, Math.max(end, ends.get(key) ?? 0));
  return ends;
}

const pending = ({ entry, reason }: Behind): Place =>
  statement('generation', generationName(entry.store, entry.view, entry.generation), {
    state: 'pending',
    reason,
  });

const unpassed = (source: string): Place =>
  statement('table', source, {
    state: 'pending',
    reason:
      'Its source has not passed the deletes: `insideout up`, or `insideout source run`, must be running.',
  });

/** Errors: `ERASURE_BROKEN` when a new certificate would cover up that something is missing or was altered. */
function assertWhole({ journal, key, kept, namespace }: FinishParts): void {
  const { chain, breaks } = journal.state;
  const last = chain.at(-1);
  // Each names the one before it, or it would not be in the chain.
  const whole = breaks.length === 0 && (!last || authentic(last, key.publicKey));
  const problems = [...kept.altered, ...(whole ? [] : chainProblems([...chain, ...breaks], key.publicKey))];
  if (problems.length === 0) return;
  throw new InsideoutError(
    'ERASURE_BROKEN',
    `No certificate is signed, since the journal of erasures is not whole: ${problems[0]}.`,
    {
      hint: `Put it back from a backup of the Log, or stop the daemons and remove the topic ${journalTopic(namespace)}: the next command restores it from the copy at ${kept.file}. \`insideout erasure verify\` tells all that is wrong.`,
    },
  );
}

async function certify(erasure: Erasure, places: readonly Place[], parts: FinishParts): Promise<void> {
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
        places,
        keys: keysDigest(lookedFor(erasure)),
        previous: last ? certificateHash(last) : null,
      },
      key.privateKey,
    );
    if (await accepted(journal.record({ type: 'completed', erasure: erasure.id, certificate }))) return;
    // Another certificate became the next of the chain, or this erasure has one already, or was begun once more.
    const now = journal.state.erasures.get(erasure.id)!;
    if (!certifiable(now) || now.barrier !== erasure.barrier) return;
  }
}
