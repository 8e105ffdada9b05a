import { parsePartitionKey, partitionKey } from '../../core/position.ts';
import type { Log, RecordBatch, StoredRecord } from '../../log/log.ts';

/** A consumer in the background that keeps what it got. */
export interface Tail {
  readonly batches: RecordBatch[];
  readonly held: Set<string>;
  readonly revoked: string[];
  records(topic: string, partition?: number): StoredRecord[];
  values(topic: string, partition?: number): (string | null)[];
  /** Resolves when the iteration ended without an error; rejects with its error. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

export interface TailOptions {
  readonly topics: readonly string[];
  readonly group?: string;
  /** Partition key to start; 0 where there is none. */
  readonly from?: Readonly<Record<string, number>>;
  /** Called with each batch before the next is asked for. */
  readonly work?: (batch: RecordBatch) => Promise<void>;
}

export function tail(log: Log, options: TailOptions): Tail {
  const abort = new AbortController();
  const batches: RecordBatch[] = [];
  const held = new Set<string>();
  const revoked: string[] = [];
  // A member goes on from where it, or another before it, had come to; as a store's checkpoint would tell.
  const run = async () => {
    const consumed = log.consume({
      topics: options.topics,
      ...(options.group === undefined ? {} : { group: options.group }),
      from: async (topic, partition) => {
        held.add(partitionKey(topic, partition));
        return options.from?.[partitionKey(topic, partition)] ?? 0;
      },
      revoked: (topic, partition) => {
        held.delete(partitionKey(topic, partition));
        revoked.push(partitionKey(topic, partition));
      },
      signal: abort.signal,
    });
    for await (const batch of consumed) {
      batches.push(batch);
      await options.work?.(batch);
    }
  };
  const done = run();
  done.catch(() => {});
  const records = (topic: string, partition = 0) =>
    batches.filter((b) => b.topic === topic && b.partition === partition).flatMap((b) => b.records);
  return {
    batches,
    held,
    revoked,
    records,
    values: (topic, partition) => records(topic, partition).map((r) => r.value?.toString() ?? null),
    done,
    stop: async () => {
      abort.abort();
      await done;
    },
  };
}

export const partitionsHeld = (t: Tail): number[] =>
  [...t.held].map((key) => parsePartitionKey(key).partition).sort();
