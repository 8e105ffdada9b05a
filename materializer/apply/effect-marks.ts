import type { Offset, PartitionKey } from '../../core/position.ts';
import type { Log } from '../../log/log.ts';
import { readToEnd } from '../../log/read-to-end.ts';

/**
 * How far a view's changes were told to the outside, kept in the Log (`__<namespace>.effects`, compacted). A mark
 * never moves back: a process that is late repeats effects, and hides none.
 */
export class EffectMarks {
  readonly #log: Log;
  readonly #topic: string;
  readonly #view: string;
  #exists = false;

  constructor(log: Log, namespace: string, view: string) {
    this.#log = log;
    this.#topic = `__${namespace}.effects`;
    this.#view = view;
  }

  /** The next offset to be told; null when nothing ever was. */
  async read(partition: PartitionKey): Promise<Offset | null> {
    const wanted = this.#key(partition);
    let mark: Offset | null = null;
    for await (const { records } of readToEnd(this.#log, [this.#topic]))
      for (const { key, value } of records)
        if (key && value && key.toString() === wanted)
          mark = Math.max(mark ?? 0, (JSON.parse(value.toString()) as { next: Offset }).next);
    return mark;
  }

  /** Durable when it resolves. */
  async move(partition: PartitionKey, next: Offset): Promise<void> {
    await this.#ensure();
    await this.#log.append([
      {
        topic: this.#topic,
        partition: 0,
        key: Buffer.from(this.#key(partition)),
        value: Buffer.from(JSON.stringify({ next })),
        timestamp: Date.now(),
      },
    ]);
  }

  /** Asked once: marks move with every batch. */
  async #ensure(): Promise<void> {
    if (this.#exists) return;
    if (!(await this.#log.partitions([this.#topic])).has(this.#topic))
      await this.#log.ensureTopics([{ name: this.#topic, partitions: 1, cleanup: 'compact' }]);
    this.#exists = true;
  }

  #key(partition: PartitionKey): string {
    return `${this.#view} ${partition}`;
  }
}
