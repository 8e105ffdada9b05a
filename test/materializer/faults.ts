import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { ViewBatch } from '../../core/view.ts';

export type Operation = 'claim' | 'apply';

/**
 * What goes wrong with one call: `reject` before anything is written, `failAfterWrite` when it is written but the
 * answer is lost, `hold` until the promise resolves.
 */
export type Fault =
  | { readonly kind: 'reject' | 'failAfterWrite'; readonly error: Error }
  | { readonly kind: 'hold'; readonly until: Promise<void> };

/** Decides for each call, counted from 0 over all operations, what goes wrong with it; null for nothing. */
export type Plan = (operation: Operation, call: number, batch?: ViewBatch) => Fault | null;

export const unreachable = () =>
  new InsideoutError('STORE_UNREACHABLE', 'The store does not answer.', { hint: 'Wait.' });
export const unstorable = () =>
  new InsideoutError('RECORD_UNSTORABLE', 'The store refuses a record.', { hint: 'Look.' });
/** Nothing of ours: the run ends with it, as a process ends with a crash. */
export class Crash extends Error {}

/** A store whose calls go wrong as planned. */
export function faulty(store: ViewStore, plan: Plan): ViewStore {
  let call = 0;
  const around = async <T>(operation: Operation, work: () => Promise<T>, batch?: ViewBatch): Promise<T> => {
    const fault = plan(operation, call++, batch);
    if (fault?.kind === 'reject') throw fault.error;
    if (fault?.kind === 'hold') await fault.until;
    const result = await work();
    if (fault?.kind === 'failAfterWrite') throw fault.error;
    return result;
  };
  return {
    find: (view, id) => store.find(view, id),
    generations: (view) => store.generations(view),
    active: (view) => store.active(view),
    promote: (moves) => store.promote(moves),
    withdraw: (view, id) => store.withdraw(view, id),
    drop: (view, id) => store.drop(view, id),
    check: () => store.check(),
    scrub: () => store.scrub(),
    files: () => store.files(),
    close: () => store.close(),
    async open(view, id) {
      const generation = await store.open(view, id);
      return {
        view: generation.view,
        id: generation.id,
        step: () => generation.step(),
        checkpoint: () => generation.checkpoint(),
        get: (key) => generation.get(key),
        getMany: (keys) => generation.getMany(keys),
        scan: () => generation.scan(),
        erase: (keys) => generation.erase(keys),
        count: () => generation.count(),
        claim: (topic, partition) => around('claim', () => generation.claim(topic, partition)),
        apply: (claim, batch) => around('apply', () => generation.apply(claim, batch), batch),
      } satisfies Generation;
    },
  };
}
