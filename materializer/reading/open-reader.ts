import type { Generation, ViewStore } from '../../connectors/sink/view-store.ts';
import type { BarrierEmitter } from '../../connectors/source/barriers.ts';
import type { ViewShape } from '../../core/view.ts';
import { endsOf } from '../../log/ends.ts';
import type { Log } from '../../log/log.ts';
import { barrierTail } from './barrier-tail.ts';
import { type Await, type Reader, reader } from './reader.ts';
import { SharedBarriers } from './shared-barriers.ts';
import { type Hop, waitUntilApplied } from './wait.ts';

/** What waiting for tokens of a source needs; to be shared by the readers of all views that it feeds. */
export interface Barriers {
  readonly source: string;
  readonly shared: SharedBarriers;
}

/** Follows the barriers of a source from now on. Close `shared`, which closes the emitter and leaves the Log open. */
export function openBarriers(parts: { source: string; log: Log; emitter: BarrierEmitter }): Barriers {
  const { source, log, emitter } = parts;
  const shared = new SharedBarriers({ emitter, tail: (listener) => barrierTail(log, source, listener) });
  shared.warm();
  return { source, shared };
}

export interface ReaderParts {
  readonly store: ViewStore;
  readonly view: ViewShape;
  readonly log: Pick<Log, 'offsets'>;
  readonly barriers: Barriers;
  /**
   * What leads from the source to this generation: first what reads the source's topic, last the generation itself.
   * For a view that reads a topic that is `[{ generation, input: topic }]`. Asked again and again while a read waits.
   */
  hops(generation: Generation): Promise<readonly Hop[]>;
  /** Closes what was opened for this reader alone. */
  close?(): Promise<void>;
}

/** A reader that can wait for tokens. */
export function openReader(parts: ReaderParts): Reader {
  const { store, view, log, barriers } = parts;
  const until: Await = (active, options) =>
    waitUntilApplied(
      {
        view: view.name,
        source: barriers.source,
        barrier: (signal, written) => barriers.shared.next(signal, written),
        ends: (topic) => endsOf(log, [topic]),
        chain: async () => {
          const generation = await active();
          return generation && { generation, hops: await parts.hops(generation) };
        },
      },
      options,
    );
  return reader(store, view, { until, close: async () => parts.close?.() });
}
