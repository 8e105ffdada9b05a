import { onTestFinished } from 'vitest';
import { parsePartitionKey, partitionKey } from '../../core/position.ts';
import type { Log, RecordBatch, StoredRecord } from '../../log/log.ts';

/**
 * A consumer in the background that keeps what it got. When it ended with an error, the test fails with that error
 * beside what it waited for in vain, unless the test has asked for `done`.
 */
export interface Tail {
  readonly batches: RecordBatch[];
  readonly held: Set<string>;
  readonly revoked: string[];
  records(topic: string, partition?: number): StoredRecord[];
  values(topic: string, partition?: number): (string | null)[];
  /** Resolves when the reading was stopped; rejects with what else ended it. */
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
    if (!abort.signal.aborted) throw new Error('nobody stopped it, and it ended');
  };
  let failure: { error: unknown } | null = null;
  let askedFor = false;
  const done = run();
  done.catch((error: unknown) => {
    failure = { error };
  });
  onTestFinished(() => {
    if (failure && !askedFor) throw ended(options.topics, failure.error);
  });
  const records = (topic: string, partition = 0) =>
    batches.filter((b) => b.topic === topic && b.partition === partition).flatMap((b) => b.records);
  return {
    batches,
    held,
    revoked,
    records,
    values: (topic, partition) => records(topic, partition).map((r) => r.value?.toString() ?? null),
    get done() {
      askedFor = true;
      return done;
    },
    stop: async () => {
      abort.abort();
      await done;
    },
  };
}

function ended(topics: readonly string[], cause: unknown): Error {
  const why = cause instanceof Error ? `${'code' in cause ? `${cause.code}: ` : ''}${cause.message}` : cause;
  return new Error(`The reading of ${topics.join(', ')} had ended: ${why}`, { cause });
}

export const partitionsHeld = (t: Tail): number[] =>
  [...t.held].map((key) => parsePartitionKey(key).partition).sort();
