import { type ErasureHappening, emptyJournal, type JournalState } from '../../deletes/journal.ts';
import { fold, refusal } from '../../deletes/journal-fold.ts';

/** What happens, or what happens in the state that the journal has then. */
export type Happening = ErasureHappening | ((state: JournalState) => ErasureHappening);

/** Somebody asks for the erasure of a customer. */
export const requested = (erasure: string): ErasureHappening => ({
  type: 'requested',
  erasure,
  subject: 'customer',
  subjectHash: 'h',
  kind: 'source',
  source: 'shop',
  deletes: true,
});

/** The state after what is not refused, the erasure `e` in it, and why the rest was. Ids of events are their places. */
export function folded(...happenings: readonly Happening[]) {
  let state = emptyJournal();
  const refused: string[] = [];
  for (const [i, happening] of happenings.entries()) {
    const happened = typeof happening === 'function' ? happening(state) : happening;
    const event = { ...happened, id: String(i), at: 1, by: 'me' };
    const why = refusal(state, event);
    if (why === null) state = fold(state, event);
    else refused.push(why);
  }
  return { state, refused, erasure: state.erasures.get('e') };
}
