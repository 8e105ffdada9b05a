import type Database from 'better-sqlite3';

/** How often the file is asked whether another process has written. A look costs about a microsecond. */
const pollMs = 5;

/** Tells readers that something may have been appended: at once by this process, within `pollMs` by another. */
export class Watcher {
  readonly #version: Database.Statement<[], number>;
  readonly #waiting = new Set<() => void>();
  #seen: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(db: Database.Database) {
    this.#version = db.prepare<[], number>('pragma data_version').pluck();
    this.#seen = this.#version.get()!;
  }

  /** Resolves after the next change, after `ms`, or when the signal aborts. */
  changed(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timeout);
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        if (this.#waiting.size === 0) this.#stop();
        resolve();
      };
      const timeout = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
      this.#timer ??= setInterval(() => this.#poll(), pollMs);
      if (signal.aborted) done();
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  close(): void {
    this.wake();
    this.#stop();
  }

  #poll(): void {
    const version = this.#version.get()!;
    if (version === this.#seen) return;
    this.#seen = version;
    this.wake();
  }

  #stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
