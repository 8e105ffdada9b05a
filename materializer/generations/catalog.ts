import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { InsideoutError } from '../../core/errors.ts';
import type { Log, StoredRecord } from '../../log/log.ts';
import { type CatalogState, emptyCatalog, fold, refusal } from './catalog-state.ts';
import type { CatalogEvent, Happening } from './events.ts';

export const catalogTopic = (namespace: string): string => `__${namespace}.views`;

/**
 * What generations there are and what became of them: events in one partition of the Log, read by every process
 * from the first to the last, so that all see the same, in the same order. Which generation readers see is the
 * store's pointer; here is why, since when, and who writes to which.
 */
export class Catalog {
  readonly #log: Log;
  readonly #topic: string;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #outcomes = new Map<string, string | null>();
  readonly #mine = new Set<string>();
  #state: CatalogState = emptyCatalog;
  #next = 0;
  #failure: { error: unknown } | null = null;
  #reading: Promise<void> = Promise.resolve();

  private constructor(log: Log, topic: string) {
    this.#log = log;
    this.#topic = topic;
  }

  /** Reads everything there is, and goes on reading. Close it. Errors: those of the Log. */
  static async open(log: Log, namespace: string): Promise<Catalog> {
    const topic = catalogTopic(namespace);
    if (!(await log.partitions([topic])).has(topic))
      await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: -1 }]);
    const catalog = new Catalog(log, topic);
    catalog.#reading = catalog.#follow();
    await catalog.refresh();
    return catalog;
  }

  /** The state as far as it was read; a few milliseconds old at most while the Log is well. */
  get state(): CatalogState {
    return this.#state;
  }

  /** True once reading has failed: it then has to be opened anew. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Reads up to what is there now. */
  async refresh(): Promise<CatalogState> {
    const end = (await this.#log.offsets([this.#topic])).get(`${this.#topic}/0`)?.end ?? 0;
    await this.#until(() => this.#next >= end);
    return this.#state;
  }

  /**
   * Writes down what happened. Resolves when it stands in the Log and was accepted; `CATALOG_CONFLICT` when
   * another process was faster with what it cannot follow, and then nothing has happened.
   */
  async record(happening: Happening): Promise<CatalogState> {
    const event: CatalogEvent = { ...happening, id: randomUUID(), at: Date.now(), by: author() };
    const early = refusal(await this.refresh(), event);
    if (early !== null) throw conflict(early);
    this.#mine.add(event.id);
    try {
      await this.#log.append([
        {
          topic: this.#topic,
          partition: 0,
          key: Buffer.from(event.id),
          value: Buffer.from(JSON.stringify(event)),
          timestamp: event.at,
        },
      ]);
      await this.#until(() => this.#outcomes.has(event.id));
      const refused = this.#outcomes.get(event.id) ?? null;
      if (refused !== null) throw conflict(refused);
      return this.#state;
    } finally {
      this.#mine.delete(event.id);
      this.#outcomes.delete(event.id);
    }
  }

  /** The state now, and again after every change, until the signal aborts. Changes that come fast are joined. */
  async *changes(signal: AbortSignal): AsyncGenerator<CatalogState> {
    let seen: CatalogState | null = null;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        if (this.#state !== seen) {
          seen = this.#state;
          yield seen;
        }
        await this.#until(() => this.#state !== seen || signal.aborted);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
  }

  async #follow(): Promise<void> {
    try {
      const from = async () => this.#next;
      for await (const batch of this.#log.consume({
        topics: [this.#topic],
        from,
        signal: this.#stop.signal,
      })) {
        for (const record of batch.records) this.#take(record);
        this.#next = batch.next;
        this.#wake();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#wake();
  }

  #take(record: StoredRecord): void {
    if (!record.value) return;
    const event = JSON.parse(record.value.toString()) as CatalogEvent;
    const refused = refusal(this.#state, event);
    if (this.#mine.has(event.id)) this.#outcomes.set(event.id, refused);
    if (refused === null) this.#state = fold(this.#state, event);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure) throw this.#failure.error;
      if (this.#stop.signal.aborted)
        throw new InsideoutError('LOG_CLOSED', 'The catalog of generations was closed.', {
          hint: 'Open it again.',
        });
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}

function author(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user without an entry in the password file, as in many containers.
    return `uid${process.getuid?.() ?? ''}@${hostname()}`;
  }
}

const conflict = (why: string): InsideoutError =>
  new InsideoutError('CATALOG_CONFLICT', `Not done: ${why}.`, {
    hint: 'Look at `insideout generations` and `insideout plan`, and try again if it is still wanted.',
  });
