import type { Admin } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset, TopicPartition } from '../../core/position.ts';
import type { OffsetReader } from './partition-offsets.ts';
import { topicConfig } from './topics.ts';

/** Throws `VIEW_CHECKPOINT_GAP` when Kafka does not hold what follows the offset. */
export type StartCheck = (at: TopicPartition & { readonly offset: Offset }) => Promise<void>;

/** In a compacted topic a start below the first offset is no gap: what is gone there was overwritten. */
export async function startCheck(
  admin: Admin,
  offsets: OffsetReader,
  topics: readonly string[],
): Promise<StartCheck> {
  const policies = await topicConfig(admin, topics, 'cleanup.policy');
  return async ({ topic, partition, offset }) => {
    if (offset === 0 && policies.get(topic)?.includes('compact')) return;
    const found = (await offsets.read([topic])).get(topic)?.find((o) => o.partition === partition);
    if (!found) return;
    const compacted = policies.get(topic)?.includes('compact');
    if (offset < Number(found.low) && !compacted)
      throw gap(
        `Kafka no longer holds offset ${offset} of ${topic}, partition ${partition}.`,
        'Rebuild the view from the oldest offset, and give the topic a longer retention.',
      );
    if (offset > Number(found.high))
      throw gap(
        `Offset ${offset} is past the end of ${topic}, partition ${partition}: the topic was created anew or lost records.`,
        'Rebuild the view from the oldest offset.',
      );
  };
}

function gap(message: string, hint: string): InsideoutError {
  return new InsideoutError('VIEW_CHECKPOINT_GAP', message, { hint });
}
