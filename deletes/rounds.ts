import type { SourceEraser } from '../connectors/source/erasure.ts';
import { accepted } from './accepted.ts';
import type { Journal } from './journal.ts';

/**
 * Finds out how the transactions ended of which nobody has said so, since the processes that began them were
 * interrupted: what was committed is written down as they would have done, and of what was not nothing is left, be it
 * written down to its last row or not. False when one of them is still open.
 */
export async function settleRounds(
  ids: readonly string[],
  { journal, eraser }: { readonly journal: Journal; readonly eraser: SourceEraser },
): Promise<boolean> {
  let settled = true;
  for (const erasure of ids)
    for (const { transaction, barrier } of journal.state.erasures.get(erasure)!.rounds) {
      const outcome = await eraser.outcome(transaction);
      if (outcome === 'open') {
        settled = false;
        continue;
      }
      // The last of its rows may have been written down, and it committed, since this looked at the journal.
      const round = (await journal.refresh()).erasures
        .get(erasure)!
        .rounds.find((r) => r.barrier === barrier);
      if (!round) continue;
      // One that is so old that nobody remembers how it ended counts as committed, which a part of one never is.
      const type = outcome === 'committed' && round.whole ? 'deleted' : 'undone';
      await accepted(journal.record({ type, erasure, barrier }));
    }
  return settled;
}
