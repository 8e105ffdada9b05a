import { randomUUID } from 'node:crypto';
import { barriersTopic, decodeBarrier } from '../connectors/source/barriers.ts';
import type { SourceEraser } from '../connectors/source/erasure.ts';
import type { Checkpoint } from '../core/position.ts';
import type { Log } from '../log/log.ts';
import { accepted } from './accepted.ts';
import type { Erasure, Journal } from './journal.ts';

export interface PassingParts {
  readonly log: Log;
  readonly journal: Journal;
  readonly source: string;
  readonly eraser: SourceEraser;
  /** Writes a barrier of its own, because another process began these erasures: theirs may be lost with a slot. */
  readonly again: boolean;
  readonly signal: AbortSignal;
}

/**
 * Waits until the source has passed the barriers of those of these erasures that are `deleted`: behind the offsets
 * that it tells then, every topic has their deletes.
 */
export async function waitUntilPassed(erasures: readonly Erasure[], parts: PassingParts): Promise<void> {
  const { log, journal, source, eraser, signal } = parts;
  const left = new Map(erasures.filter((e) => e.phase === 'deleted').map((e) => [e.id, e]));
  if (left.size === 0) return;
  const pass = async ({ id, barrier }: Erasure, ends: Checkpoint) => {
    left.delete(id);
    await accepted(journal.record({ type: 'passed', erasure: id, barrier, ends: Object.fromEntries(ends) }));
  };
  const probe = parts.again ? await eraser.mark({ id: randomUUID() }) : null;
  const topic = barriersTopic(source);
  const first = (await log.offsets([topic])).get(`${topic}/0`)?.first ?? 0;
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  for await (const batch of log.consume({ topics: [topic], from: async () => first, signal: stop })) {
    for (const record of batch.records) {
      const { id, ends } = decodeBarrier(record);
      for (const erasure of left.values()) if (erasure.barrier === id) await pass(erasure, ends);
      // It lies behind all deletes that were committed when it was written.
      if (id === probe) for (const erasure of left.values()) await pass(erasure, ends);
    }
    if (left.size === 0) break;
  }
  done.abort();
  signal.throwIfAborted();
}
