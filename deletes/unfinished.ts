import type { Erasure, JournalState } from './journal.ts';

/** Whose process wrote down what it was about to delete, and for so long not that it has, has crashed. */
const crashedAfterMs = 60_000;

/** Erasures without a certificate, in the order in which they were requested. */
export const openErasures = (state: JournalState): Erasure[] =>
  [...state.erasures.values()].filter((erasure) => erasure.phase !== 'completed');

/** True when nobody but who erases its subject again can go on with it, since nobody else knows whom it means. */
export const needsEraser = ({ kind, phase, rounds, tracked }: Erasure): boolean =>
  kind === 'source' && rounds.length === 0 && (phase === 'requested' || tracked !== null);

/**
 * From when on a process that follows the journal may finish it, milliseconds since 1970: not while the process that
 * began it may still be deleting, or holds it. Infinity where nobody who follows the journal can.
 */
export function freeAt(erasure: Erasure): number {
  const { phase, rounds, changedAt, heldUntil } = erasure;
  if (phase === 'completed' || needsEraser(erasure)) return Number.POSITIVE_INFINITY;
  const deleting = rounds.length > 0 || phase === 'requested' || phase === 'found';
  return Math.max(deleting ? changedAt + crashedAfterMs : 0, heldUntil);
}
