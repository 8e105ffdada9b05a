import { setImmediate as turn } from 'node:timers/promises';
import type { Claim, Generation } from '../../connectors/sink/view-store.ts';
import { isInsideoutError, toInsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { Key, ViewBatch, ViewChange } from '../../core/view.ts';
import { schemaAttempts } from '../../log/avro/row-reader.ts';
import type { Log, RecordBatch, StoredRecord } from '../../log/log.ts';
import { applyAround } from './apply-around.ts';
import { type FailedRecord, type Stage, writeDeadLetters } from './dead-letters.ts';
import { condemnsRecord, type Decoder } from './decoder.ts';
import type { ErasedKeys } from './erased.ts';
import type { ViewObserver } from './observer.ts';
import { pieces, steps, turnEvery } from './pieces.ts';
import type { Publisher } from './publisher.ts';
import { type Backoff, isAbort, untilItWorks } from './retry.ts';
import type { Stepping } from './stepping.ts';
import type { Throttle } from './throttle.ts';

export interface PartitionParts {
  readonly generation: Generation;
  readonly decoder: Decoder;
  readonly log: Log;
  readonly observe: ViewObserver;
  /** Ends everything, also waiting for a store that is down. */
  readonly signal: AbortSignal;
  readonly backoff: Backoff | undefined;
  readonly background: (() => boolean) | undefined;
  readonly throttle: Throttle | undefined;
  /** Of the generation, for what it does in the background. */
  readonly stepping: Stepping;
  /** Where the changes go before they are applied, when other views read this one. */
  readonly publisher: Publisher | null;
  readonly erased: ErasedKeys | undefined;
  /** Called once, with what ended this partition's work. */
  failed(error: unknown, run: PartitionRun): void;
}

/**
 * One partition under one claim. Batches are applied in order, one at a time. While one is being applied the next is
 * published, where there is something to publish to, and the one after that is decoded; `take` holds the reader
 * back until then. After a failure, or once the partition was given up, nothing more is applied.
 */
export class PartitionRun {
  readonly #parts: PartitionParts;
  readonly #claim: Claim;
  readonly #given = new AbortController();
  readonly #signal: AbortSignal;
  /** Where the next batch begins; not at its first record, where compaction left a hole. */
  #next: Offset;
  /** What is in the store ends here. */
  #stored: Offset;
  /** The latest known end of the partition. */
  #end: Offset;
  #published: Promise<void> = Promise.resolve();
  #applied: Promise<void> = Promise.resolve();
  /** When all but the newest piece is in the store. */
  #appliedBefore: Promise<void> = Promise.resolve();
  #failed = false;
  /** Records of the batch that is decoded which tell of erased rows. */
  #refused = 0;

  constructor(parts: PartitionParts, claim: Claim) {
    this.#parts = parts;
    this.#claim = claim;
    this.#next = claim.next;
    this.#stored = claim.next;
    this.#end = claim.next;
    this.#signal = AbortSignal.any([parts.signal, this.#given.signal]);
  }

  /** Resolves when everything but the last parts of the batch is in the store. Reports failures, never throws. */
  async take(batch: RecordBatch): Promise<void> {
    const { throttle, publisher } = this.#parts;
    this.reaches(batch.end);
    try {
      for (const piece of pieces(batch)) {
        if (this.#ended) return;
        await throttle?.take(piece.records.length, this.#signal);
        const changes = await this.#decode(piece);
        await this.#published;
        await (publisher ? this.#appliedBefore : this.#applied);
        if (this.#ended) return;
        const { topic, partition, next } = piece;
        this.#start(piece, { topic, partition, from: this.#next, next, changes });
        this.#next = next;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Tells what waits, when the partition goes as far as this. */
  reaches(end: Offset): void {
    this.#end = Math.max(this.#end, end);
    const { topic, partition } = this.#claim;
    if (!this.#ended) this.#parts.observe.behind({ topic, partition, lag: this.#lag });
  }

  get key(): PartitionKey {
    return partitionKey(this.#claim.topic, this.#claim.partition);
  }

  /** True while what it is known to reach is not in the store. */
  get behind(): boolean {
    return !this.#ended && this.#lag > 0;
  }

  get #lag(): number {
    return Math.max(0, this.#end - this.#stored);
  }

  /** Publishes, and applies once everything before is applied. */
  #start(piece: RecordBatch, viewBatch: ViewBatch): void {
    const { publisher } = this.#parts;
    const before = this.#applied;
    const published = publisher
      ? this.#untilItWorks(() => publisher.append(piece, viewBatch.changes))
      : Promise.resolve();
    const apply = async () => {
      await published;
      await before;
      // What came before may not have got into the store, so this must not either.
      if (!this.#ended) await this.#apply(piece, viewBatch);
    };
    this.#published = published.catch(() => {});
    this.#appliedBefore = before;
    this.#applied = apply().catch((error: unknown) => this.#fail(error));
  }

  /** The partition is another process's now: what waits is dropped, what the store is busy with is finished. */
  giveUp(): void {
    this.#given.abort();
  }

  get givenUp(): boolean {
    return this.#given.signal.aborted;
  }

  /** Resolves when nothing is being applied any more. To be called after it was given up, or has ended. */
  async close(): Promise<void> {
    await this.#applied;
    await this.#parts.publisher?.close();
  }

  get #ended(): boolean {
    return this.#failed || this.#signal.aborted;
  }

  #fail(error: unknown): void {
    if (this.#failed || isAbort(error, this.#signal)) return;
    this.#failed = true;
    this.#parts.failed(error, this);
  }

  async #decode(batch: RecordBatch): Promise<ViewChange[]> {
    const { decoder } = this.#parts;
    const changes: ViewChange[] = [];
    const failed: FailedRecord[] = [];
    this.#refused = 0;
    for (let i = 0; i < batch.records.length; i++) {
      const record = batch.records[i]!;
      if (i % turnEvery === turnEvery - 1) await turn();
      try {
        if (!decoder.ready(record)) await this.#untilItWorks(() => decoder.prepare(record, this.#signal));
        const change = this.#admitted(decoder.decode(record), record);
        if (change) changes.push(change);
      } catch (error) {
        if (!condemnsRecord(error)) throw error;
        const change = this.#keptOut(record);
        if (change) changes.push(change);
        else if (change === undefined) failed.push(this.#describe(batch, record, error));
      }
    }
    if (failed.length > 0) await this.#setAside(failed);
    if (this.#refused > 0) this.#parts.observe.keptOut(this.#refused);
    return changes;
  }

  /**
   * An erased row that comes once more is a delete, so that it is gone whatever was there; of one that was overwritten
   * what it was before is passed over.
   */
  #admitted(change: ViewChange, record: StoredRecord): ViewChange | null {
    if (change.op !== 'upsert') return change;
    const instead = this.#insteadOf(change.key, record);
    return instead === undefined ? change : instead;
  }

  /** Of such rows nothing is set aside either. */
  #keptOut(record: StoredRecord): ViewChange | null | undefined {
    if (!this.#parts.erased || this.#parts.erased.none) return undefined;
    const key = this.#parts.decoder.keyOf(record);
    return key ? this.#insteadOf(key, record) : undefined;
  }

  /** What is done instead of taking a row with this key, null for nothing; undefined when it may be taken. */
  #insteadOf(key: Key, { offset, headers }: StoredRecord): ViewChange | null | undefined {
    const refusal = this.#parts.erased?.refusal(key, headers);
    if (!refusal) return undefined;
    this.#refused++;
    return refusal === 'erased' ? { op: 'delete', offset, key } : null;
  }

  async #apply(batch: RecordBatch, viewBatch: ViewBatch): Promise<void> {
    const { generation, observe, stepping } = this.#parts;
    const apply = (part: ViewBatch) => this.#untilItWorks(() => generation.apply(this.#claim, part));
    let rows = viewBatch.changes.length;
    const step = this.#step;
    for (const part of steps(viewBatch, step)) {
      const work = () =>
        applyAround(apply, part, async ({ change, error }) => {
          const record = batch.records.find((r) => r.offset === change.offset)!;
          await this.#setAside([this.#describe(batch, record, error)]);
          rows--;
        });
      await (step === null ? work() : stepping.run(work));
    }
    this.#stored = batch.next;
    observe.applied({
      topic: batch.topic,
      partition: batch.partition,
      records: batch.records.length,
      rows,
      next: batch.next,
      lag: this.#lag,
      committedAt: batch.records.at(-1)?.timestamp ?? null,
    });
  }

  /** How many rows are applied before others have their turn; null for all of them. */
  get #step(): number | null {
    return this.#parts.background?.() === true ? this.#parts.generation.step() : null;
  }

  async #setAside(failed: readonly FailedRecord[]): Promise<void> {
    const { log, observe } = this.#parts;
    let again = false;
    const work = async () => {
      // Only after a failure of our own: whoever else appends here must find out about theirs.
      if (again) await log.recover();
      again = true;
      await writeDeadLetters(log, failed);
    };
    await this.#untilItWorks(work);
    for (const { topic, partition, record, error } of failed)
      observe.deadLettered({ topic, partition, offset: record.offset, error });
  }

  #untilItWorks<T>(work: () => Promise<T>): Promise<T> {
    const { observe, backoff } = this.#parts;
    return untilItWorks(work, { signal: this.#signal, observe, backoff });
  }

  #describe(batch: RecordBatch, record: StoredRecord, cause: unknown): FailedRecord {
    const error = toInsideoutError(cause);
    const view = this.#parts.generation.view.name;
    const attempts = isInsideoutError(error, 'SCHEMA_UNKNOWN') ? schemaAttempts : 1;
    const { topic, partition } = batch;
    return { topic, partition, record, view, stage: stages[error.code] ?? 'decode', error, attempts };
  }
}

const stages: Readonly<Record<string, Stage>> = {
  RECORD_UNSTORABLE: 'store',
  RECORD_UNCONVERTIBLE: 'convert',
};
