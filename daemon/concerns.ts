import { deadLettersOf } from '../materializer/apply/dead-letters.ts';
import type { CheckedConfig } from './config/check.ts';

/**
 * True for topics that sources of this config write, that its views read, and of the dead letters of both: a cluster
 * holds the topics of others, too.
 */
export function concerns(config: CheckedConfig, topic: string): boolean {
  if (topic.slice(0, topic.indexOf('.')) in config.sources) return true;
  return config.views.some((view) => topic === view.from || topic === `${view.from}.dlq`);
}

/** True for the topics of dead letters that views of this config can have written. */
export const holdsOwnDeadLetters = (config: CheckedConfig, topic: string): boolean =>
  deadLettersOf(topic) !== null && (concerns(config, topic) || topic.startsWith(`${config.namespace}.view.`));
