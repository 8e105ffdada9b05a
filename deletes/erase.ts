import { randomUUID } from 'node:crypto';
import type { SourceEraser, SubjectRows } from '../connectors/source/erasure.ts';
import type { ErasedKeys, Erasure, Journal } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';
import { shredSubject } from './shredding.ts';
import { shredHash } from './shredding-place.ts';
import type { Subject } from './subject.ts';

export interface RequestParts {
  readonly journal: Journal;
  readonly eraser: SourceEraser;
  readonly hasher: KeyHasher;
  /** The file of subject keys, where there is one. */
  readonly shred: string | null;
}

/** An erasure that was begun, and what only this process knows of it. */
export interface Begun {
  readonly erasure: Erasure;
  /** Values that were the subject's alone: for looking, never stored. */
  readonly telling: readonly string[];
}

/**
 * Erases a subject where its rows come from. The hashes of the keys are written down while the rows are locked and
 * before their transaction is committed: so of every row that is gone the key is known, wherever a crash comes, and
 * of none that was given to somebody else meanwhile. Whoever erases the same subject again goes on with the same
 * erasure, and finds the rest in Postgres and in the journal.
 */
export async function requestErasure(subject: Subject, id: string, parts: RequestParts): Promise<Begun> {
  const { journal, eraser } = parts;
  const found = await eraser.find(subject, id);
  const erasure = await request(subject, { id: found.id, deletes: true }, parts);
  const { rows, telling, barrier } = await eraser.erase(subject, id, {
    id: erasure,
    beforeCommit: (erased) => note(erasure, erased.rows, parts),
  });
  await journal.record({ type: 'deleted', erasure, rows: counts(rows), keys: [], barrier });
  return { erasure: journal.state.erasures.get(erasure)!, telling };
}

/**
 * Follows deletes that the application makes itself: to be called before it does, while the rows tell their keys.
 * `wait` is called again and again until the source shows none of them any more.
 */
export async function trackErasure(
  subject: Subject,
  id: string,
  parts: RequestParts & { wait(rows: number): Promise<void> },
): Promise<Begun> {
  const { journal, eraser } = parts;
  const found = await eraser.find(subject, id);
  const erasure = await request(subject, { id: found.id, deletes: false }, parts);
  const telling = new Set(found.telling);
  await note(erasure, found.rows, parts);
  for (let left = found; size(left.rows) > 0; ) {
    await parts.wait(size(left.rows));
    left = await eraser.find(subject, id);
    for (const value of left.telling) telling.add(value);
    await note(erasure, left.rows, parts);
  }
  const barrier = await eraser.mark({ id: erasure });
  await journal.record({ type: 'deleted', erasure, rows: {}, keys: [], barrier });
  return { erasure: journal.state.erasures.get(erasure)!, telling: [...telling] };
}

/**
 * The erasure of this subject that is not completed, or else a new one. A new one keeps out and looks for what the
 * former ones of the subject did, too: when their rows came back, their certificates say so no more.
 */
async function request(
  subject: Subject,
  { id, deletes }: { id: string; deletes: boolean },
  { journal, hasher, shred }: RequestParts,
): Promise<string> {
  const subjectHash = hasher.subject(subject.name, id);
  const { erasures } = await journal.refresh();
  const former = [...erasures.values()].filter((e) => e.subjectHash === subjectHash);
  const open = former.find((e) => e.phase !== 'completed');
  if (open) return open.id;
  const erasure = randomUUID();
  const { name, source } = subject;
  await journal.record({
    type: 'requested',
    erasure,
    subject: name,
    subjectHash,
    kind: 'source',
    source,
    deletes,
    ...(shred === null ? {} : { shred: shredHash(shred, shredSubject(name, id)) }),
  });
  const keys = former.filter((e) => !e.lifted).flatMap((e) => e.keys);
  if (keys.length > 0) await journal.record({ type: 'found', erasure, rows: {}, keys });
  return erasure;
}

/** Writes down what is not written down yet. */
async function note(
  erasure: string,
  rows: readonly SubjectRows[],
  { journal, hasher }: RequestParts,
): Promise<void> {
  const keys = fresh(erasure, hashed(rows, hasher), journal);
  if (keys.length === 0 && journal.state.erasures.get(erasure)?.phase !== 'requested') return;
  await journal.record({ type: 'found', erasure, rows: counts(rows), keys });
}

/** Topics and hashes that the journal does not have yet. */
function fresh(erasure: string, keys: readonly ErasedKeys[], journal: Journal): ErasedKeys[] {
  const known = journal.state.erasures.get(erasure)?.keys ?? [];
  return keys.flatMap(({ topic, hashes }) => {
    const had = known.find((k) => k.topic === topic);
    const seen = new Set(had?.hashes);
    const missing = hashes.filter((hash) => !seen.has(hash));
    return had && missing.length === 0 ? [] : [{ topic, hashes: missing }];
  });
}

/**
 * The topics of the rows with their keys. Rows that are overwritten keep theirs, so only those that are deleted must
 * be gone under them; but the topics are to be looked through.
 */
function hashed(rows: readonly SubjectRows[], hasher: KeyHasher): ErasedKeys[] {
  return rows.map(({ topic, policy, keyColumns, keys }) => ({
    topic,
    hashes:
      policy === 'delete'
        ? keys.map((key) =>
            hasher.key(topic, Object.fromEntries(keyColumns.map((name, i) => [name, key[i] ?? null]))),
          )
        : [],
  }));
}

function counts(rows: readonly SubjectRows[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { table, keys } of rows) sum[table] = (sum[table] ?? 0) + keys.length;
  return sum;
}

const size = (rows: readonly SubjectRows[]): number =>
  rows.reduce((sum, { policy, keys }) => sum + (policy === 'delete' ? keys.length : 0), 0);
