import { randomUUID } from 'node:crypto';
import type { FoundSubject, OwnerColumn, SourceEraser, SubjectRows } from '../connectors/source/erasure.ts';
import { accepted } from './accepted.ts';
import { inParts } from './event-parts.ts';
import { merged } from './hash-lists.ts';
import type { Erasure, Journal, NotedRows, OwnerHashes } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';
import { settleRounds } from './rounds.ts';
import { shredSubject } from './shredding.ts';
import { shredHash } from './shredding-place.ts';
import type { Subject } from './subject.ts';
import { joinedValues, type KnownValues, nothingKnown } from './target.ts';
import { beyond, noted, ownersOf, SeenRows, textsOf } from './tracked-rows.ts';

export interface RequestParts {
  readonly journal: Journal;
  readonly eraser: SourceEraser;
  readonly hasher: KeyHasher;
  /** The file of subject keys, where there is one. */
  readonly shred: string | null;
  /** What hashes take in one event of the journal; default `usualEventBytes`. */
  readonly eventBytes?: number;
}

/** An erasure that was begun, and what only this process knows of it. */
export interface Begun {
  readonly erasure: Erasure;
  /** For looking, never stored. */
  readonly known: KnownValues;
}

/**
 * Erases a subject where its rows come from. The hashes of the keys are written down while the rows are locked and
 * before their transaction is committed: so of every row that is gone the key is known, wherever a crash comes. They
 * are the erasure's once it is known that the transaction was committed: so of none that was given to somebody else.
 * Whoever erases the same subject again goes on with the same erasure, and finds the rest in Postgres and in the
 * journal.
 */
export async function requestErasure(subject: Subject, id: string, parts: RequestParts): Promise<Begun> {
  const { journal, eraser, hasher } = parts;
  const erasure = await request(subject, { id: (await eraser.find(subject, id)).id, deletes: true }, parts);
  let known = nothingKnown;
  for (;;) {
    const erased = await eraser.erase(subject, id, {
      id: erasure,
      beforeCommit: async ({ rows, owners }, round) => {
        const found = { rows: noted(rows, hasher), owners: ownersOf(owners, hasher) };
        for (const [part, more] of inParts(found, parts.eventBytes))
          await journal.record({ type: 'found', erasure, ...part, round, ...more });
      },
    });
    known = joinedValues(known, { telling: erased.telling, texts: textsOf(erased.rows, hasher) });
    await committed(erasure, erased.barrier, journal);
    // Where it was begun as a tracked one.
    const { settled } = await settleTracked(subject, id, { erasure, seen: new SeenRows(hasher) }, parts);
    if (settled) break;
  }
  return { erasure: journal.state.erasures.get(erasure)!, known };
}

/**
 * Follows deletes that the application makes itself: to be called before it does, while the rows tell their keys.
 * `wait` is called again and again until the source shows none of them any more. Rows that it gives to somebody else
 * meanwhile are not the erasure's.
 */
export async function trackErasure(
  subject: Subject,
  id: string,
  parts: RequestParts & { wait(rows: number): Promise<void> },
): Promise<Begun> {
  const { journal, eraser, hasher } = parts;
  const found = await eraser.find(subject, id);
  const erasure = await request(subject, { id: found.id, deletes: false }, parts);
  const seen = new SeenRows(hasher);
  const telling = new Set<string>();
  for (let left: Left = found; ; ) {
    for (const value of left.telling) telling.add(value);
    seen.add(left.rows);
    // Whether the application overwrites the rows that stay is not asked for.
    const rows = noted(left.rows, hasher).map(({ stays: _, ...of }) => of);
    await track(erasure, { rows, owners: ownersOf(comparable(left), hasher) }, parts);
    if (size(left.rows) > 0) await parts.wait(size(left.rows));
    const followed = await settleTracked(subject, id, { erasure, seen }, parts);
    for (const value of followed.kept) telling.delete(value);
    if (followed.settled) break;
    left = followed.left;
  }
  const known = { ...nothingKnown, telling: [...telling] };
  return { erasure: journal.state.erasures.get(erasure)!, known };
}

type Left = Pick<FoundSubject, 'rows' | 'telling' | 'owners'>;

/**
 * The erasure of this subject that is not completed, or else a new one. A new one keeps out and looks for what the
 * former ones of the subject did, too: when their rows came back, their certificates say so no more.
 */
async function request(
  subject: Subject,
  { id, deletes }: { id: string; deletes: boolean },
  { journal, eraser, hasher, shred, eventBytes }: RequestParts,
): Promise<string> {
  const subjectHash = hasher.subject(subject.name, id);
  const { erasures } = await journal.refresh();
  const former = [...erasures.values()].filter((e) => e.subjectHash === subjectHash);
  const open = former.find((e) => e.phase !== 'completed');
  if (open && !open.requesting) {
    await settleRounds([open.id], { journal, eraser });
    return open.id;
  }
  const erasure = open?.id ?? randomUUID();
  const { name, source } = subject;
  const keys = merged(former.filter((e) => e !== open && !e.lifted).flatMap((e) => e.keys));
  // Certificates of before are no reason to forget what was seen.
  const seen = former.flatMap((e) => [...e.valuesSeen]);
  for (const [part, more] of inParts({ keys }, eventBytes)) {
    const written = await accepted(
      journal.record({
        type: 'requested',
        erasure,
        subject: name,
        subjectHash,
        kind: 'source',
        source,
        deletes,
        ...(shred === null ? {} : { shred: shredHash(shred, shredSubject(name, id)) }),
        ...(part.keys.length === 0 ? {} : part),
        ...(seen.length === 0 ? {} : { valuesSeen: Object.fromEntries(seen) }),
        ...more,
      }),
    );
    // Another process that erases the same subject found a part of it, and has written all of it.
    if (!written) break;
  }
  return erasure;
}

/** The transaction that wrote the barrier is committed. */
async function committed(erasure: string, barrier: string, journal: Journal): Promise<void> {
  try {
    await journal.record({ type: 'deleted', erasure, barrier });
  } catch (error) {
    // Another process that goes on with the erasure may have found out before.
    if (journal.state.erasures.get(erasure)?.outcomes.get(barrier) !== 'committed') throw error;
  }
}

/** Writes down what is not written down yet, before the application deletes it. */
async function track(
  erasure: string,
  { rows, owners }: { rows: readonly NotedRows[]; owners: readonly OwnerHashes[] },
  { journal, eventBytes }: RequestParts,
): Promise<void> {
  const { tracked } = journal.state.erasures.get(erasure)!;
  const fresh = tracked ? beyond(tracked.rows, rows) : rows;
  if (tracked?.whole && fresh.length === 0) return;
  for (const [part, more] of inParts({ rows: fresh, owners }, eventBytes))
    await journal.record({ type: 'found', erasure, ...part, ...more });
}

/**
 * Where the source shows no row of the subject any more, finds out which of the tracked rows are gone and which are
 * somebody else's, and writes it down: settled then. `kept` are values of the latter.
 */
async function settleTracked(
  subject: Subject,
  id: string,
  { erasure, seen }: { readonly erasure: string; readonly seen: SeenRows },
  { journal, eraser, hasher, eventBytes }: RequestParts,
): Promise<{ settled: boolean; left: Left; kept: readonly string[] }> {
  const left: Left = { rows: [], telling: [], owners: [] };
  const tracked = () => journal.state.erasures.get(erasure)!.tracked;
  const asked = tracked();
  if (!asked) return { settled: true, left, kept: [] };
  const found = await eraser.follow(subject, id, { id: erasure, ...seen.question(asked) });
  if (!found.gone) return { settled: false, left: found, kept: [] };
  const { kept, barrier, point } = found.gone;
  const others = { kept: noted(kept.rows, hasher), owners: ownersOf(kept.owners, hasher) };
  let done = true;
  for (const [part, more] of inParts(others, eventBytes)) {
    const settles = { last: asked.last, ...part, point, ...more };
    // Refused when another process has noted more rows, or has settled it.
    done &&= await accepted(journal.record({ type: 'deleted', erasure, barrier, tracked: settles }));
  }
  return { settled: done || !tracked(), left, kept: kept.telling };
}

/**
 * Whether the application overwrites rows that stay is not asked for, nor whether it gives them away with all that
 * refers to them. So nothing is compared with what tells these rows, and of none of it is said that it is gone.
 */
function comparable({ rows, owners }: Left): readonly OwnerColumn[] {
  const staying = new Set([
    ...rows.filter((of) => of.policy !== 'delete').map((of) => of.topic),
    ...owners.filter((of) => of.stays).map((of) => of.topic),
  ]);
  return owners.map((of) =>
    of.stays || of.through?.topics.some((topic) => staying.has(topic)) ? { ...of, values: null } : of,
  );
}

const size = (rows: readonly SubjectRows[]): number =>
  rows.reduce((sum, { policy, keys }) => sum + (policy === 'delete' ? keys.length : 0), 0);
