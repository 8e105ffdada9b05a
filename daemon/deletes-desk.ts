import { isInsideoutError } from '../core/errors.ts';
import { loadErasureKey } from '../deletes/erasure-key.ts';
import { type Erasure, type Journal, openJournal } from '../deletes/journal.ts';
import { keepJournal } from '../deletes/kept-journal.ts';
import { deleteKeys, type TopicDelete } from '../deletes/topic-deletes.ts';
import type { Log } from '../log/log.ts';
import type { CheckedConfig } from './config/check.ts';
import { openLog } from './wiring.ts';

interface Opened {
  readonly log: Log;
  readonly journal: Journal;
}

/** Where deletes of a running daemon are done, one after the other, over connections of its own. */
export class DeletesDesk {
  readonly #config: CheckedConfig;
  readonly #stop = new AbortController();
  #opened: Opened | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(config: CheckedConfig) {
    this.#config = config;
  }

  /** Errors: those of `deleteKeys`. */
  delete(topic: string, deletes: readonly TopicDelete[]): Promise<Erasure[]> {
    const done = this.#last.then(() => this.#delete(topic, deletes));
    this.#last = done.catch(() => {});
    return done;
  }

  /** What waits is given up; nothing of it was begun. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#last;
    await this.#release();
  }

  async #delete(topic: string, deletes: readonly TopicDelete[]): Promise<Erasure[]> {
    const signal = this.#stop.signal;
    signal.throwIfAborted();
    const { namespace, sources, erasure } = this.#config;
    try {
      const { log, journal } = await this.#open();
      const { hasher } = loadErasureKey(erasure.key, { create: journal.state.erasures.size === 0 });
      const parts = { log, journal, hasher, namespace, sources: Object.keys(sources), signal };
      const erasures = await deleteKeys(topic, deletes, parts);
      await keepJournal({ log, journal, namespace, key: erasure.key });
      return erasures;
    } catch (error) {
      // After any other failure the connections are of doubtful use.
      if (!isInsideoutError(error, 'USAGE', 'LOG_TOPIC')) await this.#release();
      throw error;
    }
  }

  async #open(): Promise<Opened> {
    if (this.#opened?.journal.failed) await this.#release();
    if (this.#opened) return this.#opened;
    const log = await openLog(this.#config);
    try {
      this.#opened = { log, journal: await openJournal(log, this.#config.namespace) };
      return this.#opened;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async #release(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.journal.close().catch(() => {});
    await opened?.log.close().catch(() => {});
  }
}
