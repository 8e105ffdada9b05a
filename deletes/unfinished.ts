import type { Erasure, JournalState } from './journal.ts';

/** Whose process wrote down what it was about to delete, and for so long not that it has, has crashed. */
const crashedAfterMs = 60_000;

/** Erasures without a certificate, in the order in which they were requested. */
export const openErasures = (state: JournalState): Erasure[] =>
  [...state.erasures.values()].filter((erasure) => erasure.phase !== 'completed');

/**
 * From when on a process that follows the journal may finish it, milliseconds since 1970: not while the process that
 * began it may still be deleting, or holds it. Infinity for one that nobody but its eraser can go on with, since
 * nobody knows whom it means.
 */
export function freeAt({ kind, phase, changedAt, heldUntil }: Erasure): number {
  if (phase === 'completed' || (phase === 'requested' && kind === 'source')) return Number.POSITIVE_INFINITY;
  const crashed = phase === 'requested' || phase === 'found' ? changedAt + crashedAfterMs : 0;
  return Math.max(crashed, heldUntil);
}
