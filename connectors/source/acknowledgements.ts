import type { Lsn } from '../../core/lsn.ts';
import type { Checkpoint } from '../../core/position.ts';
import type { Log } from '../../log/log.ts';
import { type Barrier, barriersTopic, barriersTopicSpec, encodeBarrier } from './barriers.ts';
import type { SourceBatch } from './source.ts';

export interface AcknowledgementParts {
  /** The source's name. */
  readonly source: string;
  readonly log: Log;
  acknowledge(lsn: Lsn): void;
  /** Called once, with what stopped the acknowledging. */
  failed(error: unknown): void;
}

/**
 * Acknowledges batches that are durable, in order, and tells the Log of the barriers in them before it does.
 *
 * A barrier's record takes a while; what becomes durable meanwhile gathers and is settled in one step after it. So
 * barriers hold up no batch, keep their order, and are never acknowledged before their record is durable. After a
 * crash a barrier may be told of twice, with later ends the second time.
 */
export class Acknowledgements {
  readonly #parts: AcknowledgementParts;
  /** The source's topics: nobody else creates or writes them, so those of its batches are all the new ones. */
  readonly #topics = new Set<string>();
  #lsn: Lsn | null = null;
  #barriers: Barrier[] = [];
  #settling: Promise<void> = Promise.resolve();
  #busy = false;
  #ready: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(parts: AcknowledgementParts) {
    this.#parts = parts;
  }

  /** Creates the barriers topic. Batches need not wait for it: the first barrier does. */
  begin(): void {
    this.#ready = this.#prepare();
    this.#ready.catch((error: unknown) => this.#fail(error));
  }

  async #prepare(): Promise<void> {
    const { log, source } = this.#parts;
    const topic = barriersTopic(source);
    if (!(await log.partitions([topic])).has(topic)) await log.ensureTopics([barriersTopicSpec(source)]);
    for (const name of await log.topics())
      if (name.startsWith(`${source}.`) && !name.endsWith('.dlq')) this.#topics.add(name);
  }

  /** The batch, and every one before it, is durable in the Log. */
  durable(batch: SourceBatch): void {
    let topic: string | null = null;
    for (const record of batch.records) {
      if (record.topic === topic) continue;
      topic = record.topic;
      this.#topics.add(topic);
    }
    if (batch.lsn !== null) this.#lsn = batch.lsn;
    for (const barrier of batch.barriers) this.#barriers.push(barrier);
    if (!this.#busy) this.#settling = this.#settle();
  }

  /** Resolves when everything that was durable is acknowledged, or failed to be. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#ready, this.#settling]);
  }

  async #settle(): Promise<void> {
    this.#busy = true;
    try {
      while (!this.#failed && (this.#lsn !== null || this.#barriers.length > 0)) {
        const lsn = this.#lsn;
        const barriers = this.#barriers;
        this.#lsn = null;
        this.#barriers = [];
        if (barriers.length > 0) await this.#tell(barriers);
        if (lsn !== null) this.#parts.acknowledge(lsn);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#busy = false;
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#parts.failed(error);
    this.#failed = true;
  }

  /** The ends are asked for after what came before the barriers is durable; they may lie further, never short of it. */
  async #tell(barriers: readonly Barrier[]): Promise<void> {
    await this.#ready;
    const { log, source } = this.#parts;
    const ends: Checkpoint = new Map(
      [...(await log.offsets([...this.#topics]))].map(([key, { end }]) => [key, end]),
    );
    const now = Date.now();
    await log.append(barriers.map((barrier) => encodeBarrier(source, { ...barrier, ends }, now)));
  }
}
