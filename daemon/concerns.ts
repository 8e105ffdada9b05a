import { deadLettersOf } from '../materializer/apply/dead-letters.ts';
import { isOfViewTopic } from '../materializer/generations/names.ts';
import type { CheckedConfig } from './config/check.ts';

/**
 * True for topics that sources of this config write, that its views read, and of the dead letters of both: a cluster
 * holds the topics of others, too.
 */
export function concerns(config: CheckedConfig, topic: string): boolean {
  if (topic.slice(0, topic.indexOf('.')) in config.sources) return true;
  const read = deadLettersOf(topic) ?? topic;
  return config.views.some(({ from }) => from === topic || from === read);
}

/** Those of the topics of which views of this config can have set dead letters aside, told by these letters' topics. */
export const withOwnDeadLetters = (config: CheckedConfig, topics: readonly string[]): string[] =>
  topics
    .filter((topic) => concerns(config, topic) || isOfViewTopic(config.namespace, topic))
    .map(deadLettersOf)
    .filter((topic) => topic !== null);
