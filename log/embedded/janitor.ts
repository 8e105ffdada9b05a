import type Database from 'better-sqlite3';
import { clean, expire } from './compaction.ts';
import { partitionTable } from './database.ts';
import { removeDropped } from './dropping.ts';
import type { Topic, Topics } from './topics.ts';

/** A topic is compacted once it has grown by half of what it held, or by this much, whichever is more. */
const minGrowth = 10_000;

/** Cleans topics in the background, one in each round, so that a pause is never longer than one topic takes. */
export class Janitor {
  readonly #db: Database.Database;
  readonly #topics: Topics;
  readonly #timer: NodeJS.Timeout;
  readonly #counted = new Map<number, { readonly through: number; readonly records: number }>();
  #turn = 0;

  constructor(parts: { db: Database.Database; topics: Topics; everyMs: number }) {
    this.#db = parts.db;
    this.#topics = parts.topics;
    this.#timer = setInterval(() => this.round(), parts.everyMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Removes what a process that ended early left of deleted topics, and looks at the next topic. A file that is
   * busy or gone is left for the next round.
   */
  round(): void {
    removeDropped(this.#db).catch(() => {});
    try {
      const topics = this.#topics.all();
      const topic = topics[this.#turn++ % topics.length];
      if (!topic) return;
      if (topic.retentionMs >= 0) expire(this.#db, topic, { now: Date.now() });
      if (topic.cleanup === 'compact' && this.#due(topic)) clean(this.#db, topic, { now: Date.now() });
    } catch {
      // Cleaning is no one's request, so nobody waits for its failure; whoever appends meets the same.
    }
  }

  #due(topic: Topic): boolean {
    const grown = this.#db
      .prepare<[number], { next: number; through: number }>(
        `select sum(next) as next, coalesce(sum((select max(through) from cleanings c
           where c.topic_id = e.topic_id and c.partition = e.partition)), 0) as through
         from ends e where topic_id = ?`,
      )
      .get(topic.id);
    const growth = grown ? grown.next - grown.through : 0;
    if (!grown || growth < minGrowth) return false;
    return growth >= this.#held(topic, grown.through) / 2;
  }

  /** How many records the last cleaning left, or some more: they are counted once, when it is first asked after it. */
  #held(topic: Topic, through: number): number {
    const known = this.#counted.get(topic.id);
    if (known?.through === through) return known.records;
    let records = 0;
    for (let partition = 0; partition < topic.partitions; partition++)
      records += this.#db
        .prepare<[], number>(`select count(*) from ${partitionTable(topic.id, partition)}`)
        .pluck()
        .get()!;
    this.#counted.set(topic.id, { through, records });
    return records;
  }
}
