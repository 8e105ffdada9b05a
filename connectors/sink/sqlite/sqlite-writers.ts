import type Database from 'better-sqlite3';
import type { GenerationId } from '../../../core/view.ts';

/** Who has not written for so long is not waited for, milliseconds. */
const recentMs = 1_000;

/** Knows whether a generation has the file for itself, or others write to it as well. */
export class Writers {
  readonly #version: Database.Statement<[], number>;
  readonly #own = new Map<string, number>();
  #seen: number;
  #changedAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database.Database) {
    // Moves with what other connections write: https://www.sqlite.org/pragma.html#pragma_data_version
    this.#version = db.prepare<[], number>('pragma data_version').pluck();
    this.#seen = this.#version.get()!;
  }

  /** A generation has written by this connection. */
  wrote(view: string, id: GenerationId): void {
    this.#own.set(`${view}/${id}`, performance.now());
  }

  /** True when anything but this generation has written lately, by this connection or another. */
  others(view: string, id: GenerationId): boolean {
    const now = performance.now();
    const version = this.#version.get()!;
    if (version !== this.#seen) {
      this.#seen = version;
      this.#changedAt = now;
    }
    if (now - this.#changedAt < recentMs) return true;
    const own = `${view}/${id}`;
    for (const [other, at] of this.#own) if (other !== own && now - at < recentMs) return true;
    return false;
  }
}
