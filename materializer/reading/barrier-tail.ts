import {
  barriersTopic,
  barriersTopicSpec,
  decodeBarrier,
  type PassedBarrier,
} from '../../connectors/source/barriers.ts';
import type { Log } from '../../log/log.ts';

/** Follows the barriers that a source passes. */
export interface BarrierTail {
  /** Resolves when every barrier that is told from here on will be seen. Errors: `LOG_…`. */
  begun(): Promise<void>;
  close(): Promise<void>;
}

export interface TailListener {
  passed(barrier: PassedBarrier): void;
  /** The reading ended; it begins again with the next `begun`. */
  failed(error: unknown): void;
}

/** The tail of a source's barriers topic, read from where it ends when the reading begins. */
export function barrierTail(log: Log, source: string, listener: TailListener): BarrierTail {
  const topic = barriersTopic(source);
  const stop = new AbortController();
  let begun: Promise<void> | null = null;
  let reading: Promise<void> = Promise.resolve();

  const begin = async () => {
    if (!(await log.partitions([topic])).has(topic)) await log.ensureTopics([barriersTopicSpec(source)]);
    const end = (await log.offsets([topic])).get(`${topic}/0`)?.end ?? 0;
    reading = read(end);
  };
  const read = async (end: number) => {
    let next = end;
    try {
      // A group may assign the partition again: then it goes on where it was.
      const request = { topics: [topic], from: async () => next, signal: stop.signal };
      for await (const batch of log.consume(request)) {
        for (const record of batch.records) listener.passed(decodeBarrier(record));
        next = batch.next;
      }
    } catch (error) {
      begun = null;
      listener.failed(error);
    }
  };
  return {
    begun: () => {
      begun ??= begin().catch((error: unknown) => {
        begun = null;
        throw error;
      });
      return begun;
    },
    async close() {
      stop.abort();
      await begun?.catch(() => {});
      await reading;
    },
  };
}
