import type { Claim, Generation, ViewStore } from '../connectors/sink/view-store.ts';
import { isInsideoutError, toInsideoutError } from '../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../core/position.ts';
import type { ViewBatch, ViewChange } from '../core/view.ts';
import type { Log, RecordBatch, StoredRecord } from '../log/log.ts';
import { applyAround } from './apply.ts';
import { type FailedRecord, writeDeadLetters } from './dead-letters.ts';
import { condemnsRecord, Decoder } from './decoder.ts';
import type { ViewObserver } from './observer.ts';
import { untilItWorks, wasAborted } from './retry.ts';
import type { ViewDefinition } from './view-definition.ts';

export interface RunViewOptions {
  readonly view: ViewDefinition;
  readonly log: Log;
  readonly store: ViewStore;
  /** Processes of one group share the view's partitions. Default `insideout.<view>.g<generation>`. */
  readonly group?: string;
  readonly signal: AbortSignal;
  readonly observe: ViewObserver;
}

/**
 * Keeps a view up to date until the signal aborts, then finishes what is being applied and returns.
 *
 * A view that the store has never seen gets its first generation, which readers see from the start: it fills
 * before their eyes. Later generations are built beside the active one and promoted.
 *
 * A store, Log or registry that is down is waited for. A record that can never be applied goes to the dead
 * letters and the view goes on. Everything else that fails is thrown, after which the view can be run again: it
 * goes on from the checkpoint that is stored with its rows.
 */
export async function runView(options: RunViewOptions): Promise<void> {
  try {
    const generation = await untilItWorks(() => openActive(options), options);
    await new ViewRun(options, generation).run();
  } catch (error) {
    if (!wasAborted(error, options.signal)) throw error;
  }
}

async function openActive({ store, view }: RunViewOptions): Promise<Generation> {
  const active = await store.active(view.shape.name);
  if (active !== null) return store.open(view.shape, active);
  const generation = await store.open(view.shape, 1);
  // When another process was faster, both now write to the same first generation and share its partitions.
  await store.promote([{ view: view.shape, from: null, to: 1 }]);
  return generation;
}

class ViewRun {
  readonly #options: RunViewOptions;
  readonly #generation: Generation;
  readonly #decoder: Decoder;
  readonly #claims = new Map<PartitionKey, Claim>();
  /** Where the next batch of each partition begins; not at its first record, where compaction left a hole. */
  readonly #next = new Map<PartitionKey, Offset>();
  /** The apply under way in each partition: the next batch is decoded meanwhile, and waits for it. */
  readonly #applying = new Map<PartitionKey, Promise<void>>();
  readonly #stop = new AbortController();
  #failure: { error: unknown } | null = null;

  constructor(options: RunViewOptions, generation: Generation) {
    this.#options = options;
    this.#generation = generation;
    this.#decoder = new Decoder(options.view, options.log.schemas);
  }

  async run(): Promise<void> {
    const { view, log, signal } = this.#options;
    const request = {
      group: this.#options.group ?? `insideout.${view.shape.name}.g${this.#generation.id}`,
      topics: [view.from],
      from: (topic: string, partition: number) => this.#assigned(topic, partition),
      revoked: (topic: string, partition: number) => this.#revoked(topic, partition),
      signal: AbortSignal.any([signal, this.#stop.signal]),
    };
    try {
      for await (const batch of log.consume(request)) {
        await this.#take(batch);
        if (this.#failure) break;
      }
    } finally {
      await Promise.allSettled(this.#applying.values());
    }
    const failure: { error: unknown } | null = this.#failure;
    if (failure) throw failure.error;
  }

  async #assigned(topic: string, partition: number): Promise<number> {
    // What this process still applies must be done before it claims the partition anew.
    await this.#applying.get(partitionKey(topic, partition));
    const claim = await untilItWorks(() => this.#generation.claim(topic, partition), this.#options);
    this.#claims.set(partitionKey(topic, partition), claim);
    this.#next.set(partitionKey(topic, partition), claim.next);
    this.#options.observe.assigned(topic, partition);
    return claim.next;
  }

  #revoked(topic: string, partition: number): void {
    this.#claims.delete(partitionKey(topic, partition));
    this.#options.observe.revoked(topic, partition);
  }

  async #take(batch: RecordBatch): Promise<void> {
    const key = partitionKey(batch.topic, batch.partition);
    const claim = this.#claims.get(key);
    if (!claim) return;
    const decoded = await this.#decode(batch);
    await this.#applying.get(key);
    if (this.#failure) return;
    const from = this.#next.get(key) ?? claim.next;
    this.#next.set(key, batch.next);
    const viewBatch = {
      topic: batch.topic,
      partition: batch.partition,
      from,
      next: batch.next,
      changes: decoded,
    };
    const applying = this.#apply(claim, batch, viewBatch).catch((error: unknown) => {
      // A partition that has moved to another process is that process's business now.
      if (isInsideoutError(error, 'VIEW_FENCED') && this.#claims.get(key) !== claim) return;
      this.#failure ??= { error };
      this.#stop.abort();
    });
    this.#applying.set(key, applying);
  }

  async #decode(batch: RecordBatch): Promise<ViewChange[]> {
    const changes: ViewChange[] = [];
    const failed: FailedRecord[] = [];
    for (const record of batch.records) {
      try {
        if (!this.#decoder.ready(record))
          await untilItWorks(() => this.#decoder.prepare(record), this.#options);
        changes.push(this.#decoder.decode(record));
      } catch (error) {
        if (!condemnsRecord(error)) throw error;
        failed.push(this.#failed(batch, record, error));
      }
    }
    if (failed.length > 0) await this.#setAside(failed);
    return changes;
  }

  async #apply(claim: Claim, batch: RecordBatch, viewBatch: ViewBatch): Promise<void> {
    const { observe } = this.#options;
    await untilItWorks(
      () =>
        applyAround({ generation: this.#generation, claim }, viewBatch, ({ change, error }) => {
          const record = batch.records.find((r) => r.offset === change.offset)!;
          return this.#setAside([this.#failed(batch, record, error)]);
        }),
      this.#options,
    );
    const newest = batch.records.at(-1);
    observe.applied({
      topic: batch.topic,
      partition: batch.partition,
      records: batch.records.length,
      rows: viewBatch.changes.length,
      next: batch.next,
      lag: Math.max(0, batch.end - batch.next),
      committedAt: newest?.timestamp ?? null,
    });
  }

  async #setAside(failed: FailedRecord[]): Promise<void> {
    const { log, observe } = this.#options;
    await untilItWorks(async () => {
      await log.recover();
      await writeDeadLetters(log, failed);
    }, this.#options);
    for (const { topic, error } of failed) observe.deadLettered(topic, error.code);
  }

  #failed(batch: RecordBatch, record: StoredRecord, cause: unknown): FailedRecord {
    const error = toInsideoutError(cause);
    const stage =
      error.code === 'RECORD_UNSTORABLE'
        ? 'store'
        : error.code === 'RECORD_UNCONVERTIBLE'
          ? 'convert'
          : 'decode';
    return {
      topic: batch.topic,
      partition: batch.partition,
      record,
      view: this.#options.view.shape.name,
      stage,
      error,
      attempts: 1,
    };
  }
}
