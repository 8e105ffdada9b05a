import type { Log } from '../log/log.ts';
import { countDeadLetters, type DeadLetterCount } from '../materializer/apply/dead-letters.ts';

/** Dead letters by view, for views that share their topics: each topic is read once. */
export class DeadLetterCounts {
  readonly #log: Log;
  readonly #counted = new Map<string, Promise<DeadLetterCount>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Those of the view, or of all views of the topics where they are too many to tell them apart. */
  async of(
    view: string,
    topics: readonly string[],
  ): Promise<{ deadLetters: number | null; deadLettersOfTopic: number | null }> {
    let own = 0;
    let total = 0;
    let known = true;
    for (const topic of topics) {
      const count = await this.#count(topic);
      own += count.byView?.get(view) ?? 0;
      total += count.total;
      known &&= count.byView !== null;
    }
    return known
      ? { deadLetters: own, deadLettersOfTopic: null }
      : { deadLetters: null, deadLettersOfTopic: total };
  }

  #count(topic: string): Promise<DeadLetterCount> {
    const known = this.#counted.get(topic);
    if (known) return known;
    const counting = countDeadLetters(this.#log, topic);
    this.#counted.set(topic, counting);
    return counting;
  }
}
