import { setTimeout as wait } from 'node:timers/promises';
import type { Claim, Generation } from '../../connectors/sink/view-store.ts';
import { InsideoutError, isInsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, parsePartitionKey, partitionKey } from '../../core/position.ts';
import type { Log } from '../../log/log.ts';
import type { ViewDefinition } from '../view-definition.ts';
import { Decoder } from './decoder.ts';
import { type ErasedKeys, sweepErased } from './erased.ts';
import { LagWatch } from './lag-watch.ts';
import type { ViewObserver } from './observer.ts';
import { PartitionRun } from './partition-run.ts';
import { Publisher } from './publisher.ts';
import { type Backoff, isAbort, untilItWorks } from './retry.ts';
import { Stepping } from './stepping.ts';
import type { Throttle } from './throttle.ts';
import { type ViewTopicEncoder, viewTopicEncoder } from './view-topic.ts';

export interface RunGenerationOptions {
  readonly view: ViewDefinition;
  /** Must have been made by this very definition: what it holds and what is written to it must not mix. */
  readonly generation: Generation;
  /** The topic that feeds it. */
  readonly input: string;
  /** The view topic that it is written to as well, for views that read this one; created when it is missing. */
  readonly output?: string | null;
  /** Read from, and appended to for dead letters. */
  readonly log: Log;
  /** Processes of one group share the partitions. */
  readonly group: string;
  readonly signal: AbortSignal;
  readonly observe: ViewObserver;
  /** Rows that must not come back, whatever brings them. */
  readonly erased?: ErasedKeys;
  /** True while readers see another generation: the work is then done in steps that hold that one up little. */
  readonly background?: () => boolean;
  /** Holds the reading back, so that a generation which is being built leaves room for the others. */
  readonly throttle?: Throttle;
  /**
   * How long a fenced partition may stay ours in the eyes of the group before it counts as a fight, milliseconds.
   * Default 10,000: longer than a group takes to notice that a member was away.
   */
  readonly reassignmentMs?: number;
  /** How long what is down is waited for between attempts. Default 0.1 to 10 seconds. */
  readonly backoff?: Backoff;
}

/**
 * Keeps a generation up to date until the signal aborts, then finishes what is being applied and returns. A topic
 * that does not exist yet is waited for.
 *
 * The records of a partition are applied in their order, partitions side by side. After a crash the view goes on
 * from the checkpoint that is stored with its rows; what was applied already has no effect when it comes again.
 *
 * A store or a registry that is down is waited for, and nothing is left out because of it. A record that can
 * never be applied goes to the dead letters, and the view goes on with its key as it was before. Everything else
 * is thrown, after which the generation can be run again: `VIEW_FENCED` when a materializer outside of the group
 * writes to the same generation, `LOG_…` when the Log fails while it is read, `STORE_…` that need an operator.
 */
export async function runGeneration(options: RunGenerationOptions): Promise<void> {
  const { signal } = options;
  try {
    const partitions = await topicExists(options);
    const encoder = await untilItWorks(() => prepareOutput(options, partitions), options);
    await untilItWorks(() => keepOut(options), options);
    await new GenerationRun(options, encoder).run();
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  }
}

/** How often a topic that no source has created yet is looked for. */
const topicPollMs = 250;

async function topicExists(options: RunGenerationOptions): Promise<number> {
  const { input, log, signal, observe } = options;
  for (let told = false; ; told = true) {
    const partitions = (await untilItWorks(() => log.partitions([input]), options)).get(input);
    if (partitions !== undefined) {
      observe.recovered();
      return partitions;
    }
    if (!told) observe.retrying(missingTopic(input));
    await wait(topicPollMs, undefined, { signal });
  }
}

const missingTopic = (topic: string): InsideoutError =>
  new InsideoutError('LOG_TOPIC', `There is no topic ${topic} yet; it is waited for.`, {
    hint: 'Start the source that writes it, or correct `from` in the view.',
  });

/** Before anything else is applied: what a restored store brought back is gone again. */
async function keepOut({ generation, input, erased, signal }: RunGenerationOptions): Promise<void> {
  if (erased?.mayBeBack(await generation.checkpoint(), input)) await sweepErased(generation, erased, signal);
}

/** The view topic has the partitions of the input: the records of one become those of the same number. */
async function prepareOutput(
  { output, log, view }: RunGenerationOptions,
  partitions: number,
): Promise<ViewTopicEncoder | null> {
  if (!output) return null;
  await log.ensureTopics([{ name: output, partitions, cleanup: 'compact' }]);
  return viewTopicEncoder(log.schemas, output, view.shape);
}

class GenerationRun {
  readonly #options: RunGenerationOptions;
  readonly #decoder: Decoder;
  /** The latest run of each partition, also after it was given up. */
  readonly #runs = new Map<PartitionKey, PartitionRun>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stepping = new Stepping();
  readonly #lag: LagWatch;
  #failure: { error: unknown } | null = null;

  readonly #encoder: ViewTopicEncoder | null;

  constructor(options: RunGenerationOptions, encoder: ViewTopicEncoder | null) {
    this.#options = options;
    this.#encoder = encoder;
    const { log, input: topic, observe } = options;
    this.#decoder = new Decoder(options.view, log.schemas, (columns) => observe.lacking({ topic, columns }));
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#lag = new LagWatch({ log, topic, runs: () => this.#runs.values() });
  }

  async run(): Promise<void> {
    const { log, group, input } = this.#options;
    const request = {
      group,
      topics: [input],
      from: (topic: string, partition: number) => this.#assigned(topic, partition),
      revoked: (topic: string, partition: number) => this.#revoked(topic, partition),
      signal: this.#signal,
    };
    try {
      for await (const batch of log.consume(request)) {
        await this.#runs.get(partitionKey(batch.topic, batch.partition))?.take(batch);
        if (this.#failure) break;
      }
    } catch (error) {
      // A partition's failure stops the reading, so it is the cause of whatever the reading ends with.
      this.#failure ??= { error };
    } finally {
      this.#stop.abort();
      this.#lag.close();
      await Promise.all([...this.#runs.values()].map((run) => run.close()));
      for (const timer of this.#timers) clearTimeout(timer);
    }
    const failure: { error: unknown } | null = this.#failure;
    if (failure) throw failure.error;
    // Nobody here keeps them up to date any more.
    for (const [key, run] of this.#runs) {
      const { topic, partition } = parsePartitionKey(key);
      if (!run.givenUp) this.#options.observe.revoked(topic, partition);
    }
  }

  async #assigned(topic: string, partition: number): Promise<Offset> {
    const key = partitionKey(topic, partition);
    // What this process still applies must be done before it claims the partition anew.
    const before = this.#runs.get(key);
    before?.giveUp();
    await before?.close();
    const { generation, log, observe, backoff, background, throttle, erased } = this.#options;
    const signal = this.#signal;
    const claim = await untilItWorks(() => generation.claim(topic, partition), { signal, observe, backoff });
    const failed = (error: unknown, run: PartitionRun) => this.#partitionFailed(error, run);
    const publisher = this.#publisher(claim);
    const decoder = this.#decoder;
    const own = { publisher, decoder, signal, failed, stepping: this.#stepping };
    const parts = { generation, log, observe, backoff, background, throttle, erased, ...own };
    this.#runs.set(key, new PartitionRun(parts, claim));
    observe.assigned(topic, partition, claim.next);
    this.#lag.assigned();
    return claim.next;
  }

  #publisher(claim: Claim): Publisher | null {
    if (!this.#encoder) return null;
    const { log, generation } = this.#options;
    const { topic, partition, next } = claim;
    return new Publisher({
      log,
      encoder: this.#encoder,
      id: partitionKey(this.#encoder.topic, partition),
      // Nothing to apply: it only tells whether the claim still stands.
      verify: () => generation.apply(claim, { topic, partition, from: next, next, changes: [] }),
    });
  }

  #revoked(topic: string, partition: number): void {
    const run = this.#runs.get(partitionKey(topic, partition));
    run?.giveUp();
    void run?.close();
    this.#options.observe.revoked(topic, partition);
  }

  #partitionFailed(error: unknown, run: PartitionRun): void {
    if (!isInsideoutError(error, 'VIEW_FENCED')) {
      this.#fail(error);
      return;
    }
    // A partition that has moved to another process is that process's business now. One that was away for too
    // long is fenced before its group tells it so.
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!run.givenUp) this.#fail(error);
    }, this.#options.reassignmentMs ?? 10_000);
    this.#timers.add(timer);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }
}
