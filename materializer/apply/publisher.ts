import { setImmediate as turn } from 'node:timers/promises';
import { isInsideoutError } from '../../core/errors.ts';
import type { ViewChange } from '../../core/view.ts';
import type { FencedWriter, Log, LogRecord, RecordBatch } from '../../log/log.ts';
import { turnEvery } from './pieces.ts';
import type { ViewTopicEncoder } from './view-topic.ts';

export interface PublisherParts {
  readonly log: Log;
  readonly encoder: ViewTopicEncoder;
  /** The same for every process that ever writes this partition of this generation. */
  readonly id: string;
  /** Rejects when the claim on the partition was lost. */
  verify(): Promise<void>;
}

/**
 * Writes the changes of one claimed partition to the generation's view topic. What a crash or a lost answer
 * repeats is appended again: a whole row under its key, so the views that read it end up the same.
 *
 * A process that has lost its claim appends nothing after the new owner has begun. The writer is taken over first
 * and the claim verified then: a late process that takes the writer from its rightful owner finds its claim void
 * before it appends, and the owner takes the writer back.
 */
export class Publisher {
  readonly #parts: PublisherParts;
  #writer: FencedWriter | null = null;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** Durable when it resolves. `VIEW_FENCED` when the claim is void; after any error it may be called again. */
  async append(batch: RecordBatch, changes: readonly ViewChange[]): Promise<void> {
    if (changes.length === 0) return;
    const records = await this.#encode(batch, changes);
    for (;;) {
      this.#writer ??= await this.#take();
      try {
        await this.#writer.append(records);
        return;
      } catch (error) {
        await this.close();
        // Whoever took the writer has a newer claim, or finds out that it has none.
        if (!isInsideoutError(error, 'LOG_FENCED')) throw error;
      }
    }
  }

  async close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.close().catch(() => {});
  }

  async #take(): Promise<FencedWriter> {
    const writer = await this.#parts.log.fencedWriter(this.#parts.id);
    try {
      await this.#parts.verify();
      return writer;
    } catch (error) {
      await writer.close().catch(() => {});
      throw error;
    }
  }

  async #encode({ partition, records }: RecordBatch, changes: readonly ViewChange[]): Promise<LogRecord[]> {
    const { encoder } = this.#parts;
    const encoded: LogRecord[] = [];
    let at = 0;
    for (const change of changes) {
      // Both are in the order of their offsets; some records made no change.
      while (records[at]!.offset < change.offset) at++;
      const { headers, timestamp } = records[at]!;
      encoded.push(encoder.encode(change, { partition, headers, timestamp }));
      if (encoded.length % turnEvery === 0) await turn();
    }
    return encoded;
  }
}
