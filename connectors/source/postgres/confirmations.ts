import type { Lsn } from '../../../core/lsn.ts';

export interface ConfirmationParts {
  /** The watermark in the Log when the stream starts. */
  readonly watermark: Lsn;
  /** Moves the watermark; durable when it resolves. */
  write(lsn: Lsn): Promise<void>;
  /** Called once, when the watermark could not be moved. */
  failed(error: unknown): void;
  /** Milliseconds, of a clock that never goes back. */
  now(): number;
}

/** The least time from one watermark to the next. */
const minPauseMs = 1_000;
/** The most, when nothing but the server's own position moved: then each watermark would only be a record more. */
const maxPauseMs = 60_000;
/** As far as that the position may move in between: a slot keeps about one segment of WAL anyway. */
const idleBytes = 16n << 20n;

/**
 * Holds back what is acknowledged until the watermark in the Log is there as well, so that the slot is never past
 * the watermark. Records do not wait for it: it is written beside them, one at a time, about once a second while
 * there are any. What is confirmed late is at worst delivered again.
 */
export class Confirmations {
  readonly #parts: ConfirmationParts;
  #watermark: Lsn;
  #writing: Promise<void> | null = null;
  #wroteAt = Number.NEGATIVE_INFINITY;
  #idlePauseMs = minPauseMs;
  #busy = false;
  #ended = false;

  constructor(parts: ConfirmationParts) {
    this.#parts = parts;
    this.#watermark = parts.watermark;
  }

  /** Something of ours became durable, and Postgres should soon be told. */
  appended(): void {
    this.#busy = true;
  }

  /** What may be confirmed of what is acknowledged. Begins to move the watermark when it is time to. */
  upTo(acknowledged: Lsn): Lsn {
    if (acknowledged <= this.#watermark) return acknowledged;
    if (!this.#writing && !this.#ended && this.#due(acknowledged)) this.#write(acknowledged);
    return this.#watermark;
  }

  /** Moves the watermark a last time. Never rejects: what could not be written is delivered again. */
  async end(acknowledged: Lsn): Promise<void> {
    await this.#writing;
    if (acknowledged > this.#watermark && !this.#ended) this.#write(acknowledged);
    this.#ended = true;
    await this.#writing;
  }

  #due(acknowledged: Lsn): boolean {
    const soon = this.#busy || acknowledged - this.#watermark >= idleBytes;
    return this.#parts.now() - this.#wroteAt >= (soon ? minPauseMs : this.#idlePauseMs);
  }

  #write(lsn: Lsn): void {
    this.#idlePauseMs = this.#busy ? minPauseMs : Math.min(this.#idlePauseMs * 2, maxPauseMs);
    this.#busy = false;
    this.#wroteAt = this.#parts.now();
    this.#writing = this.#parts.write(lsn).then(
      () => {
        this.#watermark = lsn;
        this.#writing = null;
      },
      (error: unknown) => {
        this.#writing = null;
        this.#ended = true;
        this.#parts.failed(error);
      },
    );
  }
}
