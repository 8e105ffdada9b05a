import type { GenerationId } from '../../core/view.ts';

/** The topic that a generation of a view is written to, for other views to read. */
export const viewTopicName = (namespace: string, view: string, generation: GenerationId): string =>
  `${viewTopics(namespace)}${view}.g${generation}`;

/** True for such topics, and for those of their dead letters. */
export const isOfViewTopic = (namespace: string, topic: string): boolean =>
  topic.startsWith(viewTopics(namespace));

const viewTopics = (namespace: string): string => `${namespace}.view.`;

/** The consumer group of the processes that share a generation's partitions. */
export const groupName = (namespace: string, view: string, generation: GenerationId): string =>
  `${namespace}.${view}.g${generation}`;
