import { type InsideoutError, toInsideoutError } from '../core/errors.ts';
import { type Erasure, type Journal, type JournalState, journalTopic } from '../deletes/journal.ts';
import { settled } from '../deletes/place.ts';
import { needsEraser, openErasures } from '../deletes/unfinished.ts';
import type { CheckedConfig } from './config/check.ts';
import { Erasures } from './erasures.ts';
import { FinishingQueue } from './finishing-queue.ts';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { SharedCatalog } from './shared-catalog.ts';
import { systemClock, type Unit } from './supervisor.ts';

export interface FinisherParts {
  readonly config: CheckedConfig;
  readonly catalog: SharedCatalog;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
}

/** So long an attempt waits for a source or a view; then others have their turn. */
const patienceMs = 10_000;
const longestRestMs = 30_000;

/** What is wrong with all erasures, whichever of them was tried. */
const ofAll: ReadonlySet<string> = new Set(['ERASURE_KEY', 'ERASURE_BROKEN']);

/**
 * Takes the erasures that nobody else finishes to their certificates, as `insideout erasure finish` does. Follows the
 * journal, which tells when there is something to do, and has connections of its own only while it does it. Several
 * processes may do it at once: an erasure gets one certificate. What an operator must mend is logged once, and tried
 * again without stopping the daemon.
 */
export function finisherUnit(parts: FinisherParts): Unit {
  const { config, catalog, logger } = parts;
  return {
    kind: 'erasures',
    name: journalTopic(config.namespace),
    run: async (signal) => {
      const queue = new FinishingQueue();
      const told = new Told(parts);
      while (!signal.aborted) {
        const { journal } = await catalog.get();
        const { state } = journal;
        told.open(openErasures(state));
        const { erasures, at } = queue.next(state, Date.now());
        if (erasures.length === 0) {
          await changed(journal, { since: state, at, signal });
          continue;
        }
        const began = Date.now();
        const error = await attempt(erasures, { config, journal, signal });
        if (signal.aborted) return;
        await journal.refresh();
        const now = erasures.map(({ id }) => journal.state.erasures.get(id)!);
        const left = now.filter((e) => e.phase !== 'completed' && e.heldUntil <= Date.now());
        // What passes by itself is nobody's fault.
        const alone = error !== null && error.retry !== 'backoff' && !ofAll.has(error.code);
        const delayMs = queue.unfinished(left, { now: Date.now(), alone });
        if (error) told.failed(error, { erasures: left.length, delayMs });
        else told.finished(now, delayMs);
        // Those that come meanwhile are finished together, and the rest of the process gets its share.
        await systemClock.sleep(Math.min(Date.now() - began, longestRestMs), signal);
      }
      logger.debug('erasures are followed no more');
    },
  };
}

/** Why it failed, or null; what it got to stands in the journal. */
async function attempt(
  erasures: readonly Erasure[],
  { config, journal, signal }: { config: CheckedConfig; journal: Journal; signal: AbortSignal },
): Promise<InsideoutError | null> {
  const ids = erasures.map((e) => e.id);
  const over = new AbortController();
  const taken = new AbortController();
  const watching = untilHeld(journal, ids, AbortSignal.any([signal, over.signal]))
    .then((held) => held && taken.abort())
    // Whoever goes on with the journal is told.
    .catch(() => {});
  try {
    const own = await Erasures.open(config);
    try {
      await own.finish(ids, AbortSignal.any([signal, taken.signal]), { patienceMs });
    } finally {
      await own.close();
    }
    return null;
  } catch (error) {
    return signal.aborted || taken.signal.aborted ? null : toInsideoutError(error);
  } finally {
    over.abort();
    await watching;
  }
}

/** True when somebody who knows more has begun one of them again and finishes it. */
async function untilHeld(journal: Journal, ids: readonly string[], signal: AbortSignal): Promise<boolean> {
  for await (const { erasures } of journal.changes(signal))
    if (ids.some((id) => (erasures.get(id)?.heldUntil ?? 0) > Date.now())) return true;
  return false;
}

/** Resolves when the journal has something new, or at that time. */
async function changed(
  journal: Journal,
  { since, at, signal }: { since: JournalState; at: number; signal: AbortSignal },
): Promise<void> {
  const ms = Math.min(Math.max(0, at - Date.now()), 2 ** 31 - 1);
  // Not AbortSignal.timeout: Node.js may collect one that only AbortSignal.any refers to, and then it never aborts.
  const due = new AbortController();
  const timer = setTimeout(() => due.abort(), ms);
  try {
    for await (const state of journal.changes(AbortSignal.any([signal, due.signal])))
      if (state !== since) return;
  } finally {
    clearTimeout(timer);
  }
}

/** What is told to the operator: no value of any row. */
class Told {
  readonly #parts: FinisherParts;
  /** What was warned of, until something succeeds: once is enough. */
  #warned: string | null = null;
  readonly #left = new Map<string, string>();

  constructor(parts: FinisherParts) {
    this.#parts = parts;
  }

  open(open: readonly Erasure[]): void {
    const { health, metrics } = this.#parts;
    const oldest = open[0]?.requestedAt ?? null;
    metrics.erasuresOpen(open.length, oldest);
    health.erasuresOpen(open.length, oldest);
  }

  failed(error: InsideoutError, about: { erasures: number; delayMs: number }): void {
    const { logger, health, metrics } = this.#parts;
    const { code } = error;
    metrics.erasuresFailed(code);
    health.erasuresFailed(code);
    const again = this.#warned === code;
    this.#warned = code;
    logger[again ? 'debug' : 'warn'](
      { ...about, code, mend: error.hint },
      `erasures could not be finished, and will be tried again: ${error.message}`,
    );
  }

  finished(erasures: readonly Erasure[], delayMs: number): void {
    const { logger, health } = this.#parts;
    this.#warned = null;
    health.erasuresFailed(null);
    for (const erasure of erasures) {
      const { id, phase, certificate, places } = erasure;
      if (phase === 'completed') {
        this.#left.delete(id);
        logger.info({ erasure: id, certificate: certificate?.body.number }, 'an erasure has its certificate');
        continue;
      }
      const left = places.filter((place) => !settled([place]));
      const what = `${phase} ${left.map((p) => `${p.kind} ${p.name} ${p.state}`).join()}`;
      if (this.#left.get(id) === what) continue;
      this.#left.set(id, what);
      const why = left.map((p) => `${p.kind} ${p.name}: ${p.reason}`)[0] ?? waitsFor(erasure);
      logger.info({ erasure: id, phase, delayMs }, `an erasure is not finished yet: ${why}`);
    }
  }
}

function waitsFor(erasure: Erasure): string {
  if (needsEraser(erasure)) return 'It is not known what of it is deleted: erase the same subject again.';
  return erasure.rounds.length > 0
    ? 'A transaction that deletes rows of it has not ended.'
    : 'Its source has not passed the deletes.';
}
