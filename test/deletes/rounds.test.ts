import { expect, onTestFinished, test } from 'vitest';
import type { SourceEraser } from '../../connectors/source/erasure.ts';
import { type ErasureHappening, openJournal } from '../../deletes/journal.ts';
import { settleRounds } from '../../deletes/rounds.ts';
import { temporaryLog } from '../support/capture.ts';
import { requested } from './happenings.ts';

const part = (hash: string, more: { more?: true } = {}): ErasureHappening => ({
  type: 'found',
  erasure: 'e',
  rows: [{ table: 't', topic: 't', hashes: [hash], overwritten: 0 }],
  round: { transaction: '7', barrier: 'b' },
  ...more,
});

/** A journal with the first of two parts, and how the transaction ended when somebody asks. */
async function half(
  outcome: (journal: { record: (of: ErasureHappening) => Promise<unknown> }) => Promise<'committed' | 'open'>,
) {
  const log = await temporaryLog();
  const [mine, theirs] = [await openJournal(log, 'n'), await openJournal(log, 'n')];
  onTestFinished(async () => {
    await mine.close();
    await theirs.close();
    await log.close();
  });
  await mine.record(requested('e'));
  await mine.record(part('1', { more: true }));
  const eraser = { outcome: () => outcome(theirs) } as unknown as SourceEraser;
  // What others write is read some time later, and at once only by who asks for it.
  let state = { ...mine.state, erasures: new Map(mine.state.erasures) };
  const late = new Proxy(mine, {
    get: (of, name) => {
      if (name === 'state') return state;
      if (name === 'refresh')
        return async () => {
          const { erasures, ...rest } = await of.refresh();
          state = { ...rest, erasures: new Map(erasures) };
          return state;
        };
      return Reflect.get(of, name).bind(of);
    },
  });
  const settled = await settleRounds(['e'], { journal: late, eraser });
  return { settled, erasure: mine.state.erasures.get('e')! };
}

test('a transaction whose last rows are written down, and that commits, just while somebody asks for it, is committed', async () => {
  const { settled, erasure } = await half(async (theirs) => {
    await theirs.record(part('2'));
    return 'committed';
  });
  expect(settled).toBe(true);
  expect(erasure).toMatchObject({ phase: 'deleted', rounds: [], keys: [{ topic: 't', hashes: ['1', '2'] }] });
});

test('one that nobody remembers any more was not committed when its rows are not written down to the last', async () => {
  const { settled, erasure } = await half(async () => 'committed');
  expect(settled).toBe(true);
  expect(erasure).toMatchObject({ phase: 'requested', rounds: [], keys: [] });
  expect([...erasure.outcomes]).toEqual([['b', 'undone']]);
});

test('nobody says how one ends that is still open', async () => {
  const { settled, erasure } = await half(async () => 'open');
  expect(settled).toBe(false);
  expect(erasure).toMatchObject({ phase: 'requested', rounds: [{ whole: false }] });
});
