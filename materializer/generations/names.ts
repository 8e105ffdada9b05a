import type { GenerationId } from '../../core/view.ts';

/** The topic that a generation of a view is written to, for other views to read. */
export const viewTopicName = (namespace: string, view: string, generation: GenerationId): string =>
  `${namespace}.view.${view}.g${generation}`;

/** The consumer group of the processes that share a generation's partitions. */
export const groupName = (namespace: string, view: string, generation: GenerationId): string =>
  `${namespace}.${view}.g${generation}`;
