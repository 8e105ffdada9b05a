import { barriersTopic, decodeBarrier } from '../connectors/source/barriers.ts';
import type { SourceEraser } from '../connectors/source/erasure.ts';
import type { Log } from '../log/log.ts';
import type { Erasure, Journal } from './journal.ts';

/**
 * Waits until the source has passed the marks of these erasures: behind the offsets that it tells then, every
 * topic has their deletes. `again`: a mark that the Log does not hold is written once more, because the process
 * that wrote it is gone, and so may be the mark.
 */
export async function waitUntilPassed(
  erasures: readonly Erasure[],
  parts: {
    log: Log;
    journal: Journal;
    source: string;
    eraser: SourceEraser;
    again: boolean;
    signal: AbortSignal;
  },
): Promise<void> {
  const { log, journal, source, eraser, signal } = parts;
  const left = new Set(erasures.filter((e) => e.phase === 'deleted').map((e) => e.id));
  if (left.size === 0) return;
  const topic = barriersTopic(source);
  const range = (await log.offsets([topic])).get(`${topic}/0`);
  const end = range?.end ?? 0;
  let marked = !parts.again;
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const markAgain = async () => {
    if (marked || left.size === 0) return;
    marked = true;
    for (const id of left) await eraser.mark({ id });
  };
  // Those that are in the Log already come first; for the others the source may have crashed before it wrote them.
  if (end <= (range?.first ?? 0)) await markAgain();
  const request = { topics: [topic], from: async () => range?.first ?? 0, signal: stop };
  for await (const batch of log.consume(request)) {
    for (const record of batch.records) {
      const { content, ends } = decodeBarrier(record);
      const id = typeof content.erasure === 'string' ? content.erasure : null;
      if (id === null || !left.delete(id)) continue;
      await journal.record({ type: 'passed', erasure: id, ends: Object.fromEntries(ends) });
    }
    if (left.size === 0) break;
    if (batch.next >= end) await markAgain();
  }
  done.abort();
  signal.throwIfAborted();
}
