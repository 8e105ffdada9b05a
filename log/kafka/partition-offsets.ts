import type { Admin, SeekEntry } from 'kafkajs';
import pRetry from 'p-retry';
import { isLeaderComing } from './kafka-errors.ts';

/**
 * The first and the next offset of a topic's partitions. A topic that was just created may not have its leaders
 * yet, which kafkajs takes for a failure: that is waited for, two seconds at most.
 */
export function partitionOffsets(
  admin: Admin,
  topic: string,
): Promise<(SeekEntry & { high: string; low: string })[]> {
  return pRetry(() => admin.fetchTopicOffsets(topic), {
    retries: 20,
    minTimeout: 50,
    maxTimeout: 100,
    shouldRetry: ({ error }) => isLeaderComing(error),
  });
}
