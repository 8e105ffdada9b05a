import type pg from 'pg';

/** Writes a small logical message at intervals, so that an idle database's slot still moves. */
export class Heartbeat {
  readonly #timer: NodeJS.Timeout;

  constructor(everyMs: number, client: () => Promise<pg.Client>) {
    this.#timer = setInterval(() => {
      // A failure shows in the replication connection as well, which reports it.
      client()
        .then((c) => c.query(`select pg_logical_emit_message(false, 'insideout.heartbeat', '')`))
        .catch(() => {});
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
