import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { InsideoutError } from '../core/errors.ts';
import type { Log, StoredRecord } from './log.ts';

/** What every event carries beside what happened. */
export interface EventFrame {
  /** Unique; by it a writer finds its own event. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `user@host`. */
  readonly by: string;
}

/** What happened, of each kind of event. */
export type Unframed<Event> = Event extends EventFrame ? Omit<Event, keyof EventFrame> : never;

export interface Folding<Event extends EventFrame, State> {
  readonly empty: State;
  /**
   * The state after an event that is not refused, as another object; what the former one holds may have become part
   * of it, so that only the newest is looked at.
   */
  fold(state: State, event: Event): State;
  /** Why an event cannot follow the state, as a sentence; null when it can. Pure. */
  refusal(state: State, event: Event): string | null;
  /** What to do about a refused event. */
  readonly mend: string;
}

/**
 * A state that is folded from events in one partition of the Log. Every process reads all of them in the same
 * order, and leaves out the same ones that cannot follow what came before, so that all agree on who was first.
 * The events are kept for ever: they are the history.
 */
export class EventLog<Event extends EventFrame, State> {
  readonly #log: Log;
  readonly #topic: string;
  readonly #folding: Folding<Event, State>;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #outcomes = new Map<string, string | null>();
  readonly #mine = new Set<string>();
  #state: State;
  #next = 0;
  #failure: { error: unknown } | null = null;
  #reading: Promise<void> = Promise.resolve();

  private constructor(log: Log, topic: string, folding: Folding<Event, State>) {
    this.#log = log;
    this.#topic = topic;
    this.#folding = folding;
    this.#state = folding.empty;
  }

  /** Reads everything there is, and goes on reading. Close it. Errors: those of the Log. */
  static async open<Event extends EventFrame, State>(
    log: Log,
    topic: string,
    folding: Folding<Event, State>,
  ): Promise<EventLog<Event, State>> {
    if (!(await log.partitions([topic])).has(topic))
      await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: -1 }]);
    const events = new EventLog(log, topic, folding);
    events.#reading = events.#follow();
    await events.refresh();
    return events;
  }

  /** The state as far as it was read; a few milliseconds old at most while the Log is well. */
  get state(): State {
    return this.#state;
  }

  /** True once reading has failed: it then has to be opened anew. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Reads up to what is there now. */
  async refresh(): Promise<State> {
    const end = (await this.#log.offsets([this.#topic])).get(`${this.#topic}/0`)?.end ?? 0;
    await this.#until(() => this.#next >= end);
    return this.#state;
  }

  /**
   * Writes down what happened. Resolves when it stands in the Log and was accepted; `CATALOG_CONFLICT` when
   * another process was faster with what it cannot follow, and then nothing has happened.
   */
  async record(happening: Unframed<Event>): Promise<State> {
    const event = { ...happening, id: randomUUID(), at: Date.now(), by: author() } as unknown as Event;
    const early = this.#folding.refusal(await this.refresh(), event);
    if (early !== null) throw this.#conflict(early);
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
      if (refused !== null) throw this.#conflict(refused);
      return this.#state;
    } finally {
      this.#mine.delete(event.id);
      this.#outcomes.delete(event.id);
    }
  }

  /** The state now, and again after every change, until the signal aborts. Changes that come fast are joined. */
  async *changes(signal: AbortSignal): AsyncGenerator<State> {
    let seen: State | null = null;
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
    this.#wake();
  }

  async #follow(): Promise<void> {
    try {
      const from = async () => this.#next;
      const request = { topics: [this.#topic], from, signal: this.#stop.signal };
      for await (const batch of this.#log.consume(request)) {
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
    const event = JSON.parse(record.value.toString()) as Event;
    const refused = this.#folding.refusal(this.#state, event);
    if (this.#mine.has(event.id)) this.#outcomes.set(event.id, refused);
    if (refused === null) this.#state = this.#folding.fold(this.#state, event);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure) throw this.#failure.error;
      if (this.#stop.signal.aborted)
        throw new InsideoutError('LOG_CLOSED', `The events of ${this.#topic} were closed.`, {
          hint: 'Open them again.',
        });
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #conflict(why: string): InsideoutError {
    return new InsideoutError('CATALOG_CONFLICT', `Not done: ${why}.`, { hint: this.#folding.mend });
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
