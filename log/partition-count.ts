import { InsideoutError } from '../core/errors.ts';
import type { TopicSpec } from './log.ts';

/** Refuses a topic that exists with another partition count; undefined for one that does not exist. Errors: `LOG_TOPIC`. */
export function refuseOtherCount(spec: TopicSpec, count: number | undefined): void {
  if (count === undefined || count === spec.partitions) return;
  throw new InsideoutError(
    'LOG_TOPIC',
    `The topic "${spec.name}" has ${count} partitions, not ${spec.partitions}.`,
    { hint: `Set partitions to ${count}: changing the number would move keys between partitions.` },
  );
}
