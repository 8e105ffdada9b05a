import type { Offset, PartitionKey } from '../../core/position.ts';
import type { Log } from '../../log/log.ts';

/**
 * How far a view's changes were told to the outside, kept in the Log (`__<namespace>.effects`, compacted). A mark
 * never moves back: a process that is late repeats effects, and hides none.
 */
export class EffectMarks {
  readonly #log: Log;
  readonly #topic: string;
  readonly #view: string;

  constructor(log: Log, namespace: string, view: string) {
    this.#log = log;
    this.#topic = `__${namespace}.effects`;
    this.#view = view;
  }

  /** The next offset to be told; null when nothing ever was. */
  async read(partition: PartitionKey): Promise<Offset | null> {
    const topic = this.#topic;
    const range = (await this.#log.offsets([topic])).get(`${topic}/0`);
    if (!range || range.end <= range.first) return null;
    const wanted = this.#key(partition);
    let mark: Offset | null = null;
    const stop = new AbortController();
    const request = { topics: [topic], from: async () => range.first, signal: stop.signal };
    for await (const batch of this.#log.consume(request)) {
      for (const { key, value } of batch.records)
        if (key && value && key.toString() === wanted)
          mark = Math.max(mark ?? 0, (JSON.parse(value.toString()) as { next: Offset }).next);
      if (batch.next >= range.end) break;
    }
    stop.abort();
    return mark;
  }

  /** Durable when it resolves. */
  async move(partition: PartitionKey, next: Offset): Promise<void> {
    if (!(await this.#log.partitions([this.#topic])).has(this.#topic))
      await this.#log.ensureTopics([{ name: this.#topic, partitions: 1, cleanup: 'compact' }]);
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

  #key(partition: PartitionKey): string {
    return `${this.#view} ${partition}`;
  }
}
