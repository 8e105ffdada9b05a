import { randomUUID } from 'node:crypto';
import type { SourceEraser, SubjectRows } from '../connectors/source/erasure.ts';
import type { ErasedKeys, Erasure, Journal } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';
import type { Subject } from './subject.ts';

export interface RequestParts {
  readonly journal: Journal;
  readonly eraser: SourceEraser;
  readonly hasher: KeyHasher;
}

/** An erasure that was begun, and what only this process knows of it. */
export interface Begun {
  readonly erasure: Erasure;
  /** Values that were the subject's alone: for looking, never stored. */
  readonly telling: readonly string[];
}

/**
 * Erases a subject where its rows come from. The hashes of the keys are written down before anything is deleted,
 * so that a crash in between forgets no row: whoever goes on finds the rest in Postgres and in the journal.
 */
export async function requestErasure(subject: Subject, id: string, parts: RequestParts): Promise<Begun> {
  const { journal, eraser } = parts;
  const found = await eraser.find(subject, id);
  const erasure = await request(subject, { id: found.id, deletes: true }, parts);
  await note(erasure, { rows: {}, keys: hashed(found.rows, parts.hasher) }, journal);
  const erased = await eraser.erase(subject, id, { id: erasure });
  await note(erasure, { rows: counts(erased.rows), keys: hashed(erased.rows, parts.hasher) }, journal);
  return {
    erasure: journal.state.erasures.get(erasure)!,
    telling: [...new Set([...found.telling, ...erased.telling])],
  };
}

/**
 * Follows deletes that the application makes itself: to be called before it does, while the rows tell their keys.
 * `gone` is called again and again until the source shows none of them any more, and waits in between.
 */
export async function trackErasure(
  subject: Subject,
  id: string,
  parts: RequestParts & { wait(rows: number): Promise<void> },
): Promise<Begun> {
  const { journal, eraser, hasher } = parts;
  const found = await eraser.find(subject, id);
  const erasure = await request(subject, { id: found.id, deletes: false }, parts);
  const telling = new Set(found.telling);
  await note(erasure, { rows: counts(found.rows), keys: hashed(found.rows, hasher) }, journal);
  for (let left = found; size(left.rows) > 0; ) {
    await parts.wait(size(left.rows));
    left = await eraser.find(subject, id);
    for (const value of left.telling) telling.add(value);
    await note(erasure, { rows: {}, keys: hashed(left.rows, hasher) }, journal);
  }
  await eraser.mark({ id: erasure });
  return { erasure: journal.state.erasures.get(erasure)!, telling: [...telling] };
}

async function request(
  subject: Subject,
  parts: { id: string; deletes: boolean },
  { journal, hasher }: RequestParts,
): Promise<string> {
  const erasure = randomUUID();
  await journal.record({
    type: 'requested',
    erasure,
    subject: subject.name,
    subjectHash: hasher.subject(subject.name, parts.id),
    kind: 'source',
    source: subject.source,
    deletes: parts.deletes,
  });
  return erasure;
}

/** Writes down what is not written down yet. */
async function note(
  erasure: string,
  found: { rows: Readonly<Record<string, number>>; keys: readonly ErasedKeys[] },
  journal: Journal,
): Promise<void> {
  const known = journal.state.erasures.get(erasure);
  const fresh = found.keys
    .map(({ topic, hashes }) => {
      const had = new Set(known?.keys.find((k) => k.topic === topic)?.hashes);
      return { topic, hashes: hashes.filter((hash) => !had.has(hash)) };
    })
    .filter(({ hashes }) => hashes.length > 0);
  if (fresh.length === 0 && Object.keys(found.rows).length === 0 && known?.phase !== 'requested') return;
  await journal.record({ type: 'found', erasure, rows: found.rows, keys: fresh });
}

/** Rows that are overwritten keep their keys, so only those that are deleted must be gone under theirs. */
function hashed(rows: readonly SubjectRows[], hasher: KeyHasher): ErasedKeys[] {
  return rows
    .filter(({ policy }) => policy === 'delete')
    .map(({ topic, keyColumns, keys }) => ({
      topic,
      hashes: keys.map((key) =>
        hasher.key(topic, Object.fromEntries(keyColumns.map((name, i) => [name, key[i] ?? null]))),
      ),
    }));
}

function counts(rows: readonly SubjectRows[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { table, keys } of rows) sum[table] = (sum[table] ?? 0) + keys.length;
  return sum;
}

const size = (rows: readonly SubjectRows[]): number =>
  rows.reduce((sum, { policy, keys }) => sum + (policy === 'delete' ? keys.length : 0), 0);
