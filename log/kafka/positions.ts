import type { Admin } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import type { Offset, TopicPartition } from '../../core/position.ts';
import type { OffsetReader } from './partition-offsets.ts';
import { topicConfig } from './topics.ts';

/** Throws `VIEW_CHECKPOINT_GAP` when Kafka does not hold what follows the offset. */
export type StartCheck = (at: TopicPartition & { readonly offset: Offset }) => Promise<void>;

/**
 * In a topic that is only compacted a start below the first offset is no gap: what is gone there was overwritten. One
 * that forgets by age as well is read from its beginning by whoever begins there, and by nobody who was behind.
 */
export async function startCheck(
  admin: Admin,
  offsets: OffsetReader,
  topics: readonly string[],
): Promise<StartCheck> {
  const policies = await topicConfig(admin, topics, 'cleanup.policy');
  return async ({ topic, partition, offset }) => {
    const policy = policies.get(topic)?.split(',') ?? [];
    if (offset === 0 && policy.includes('compact')) return;
    const found = (await offsets.read([topic])).get(topic)?.find((o) => o.partition === partition);
    if (!found) return;
    if (offset < Number(found.low) && policy.includes('delete'))
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
