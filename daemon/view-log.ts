import type { ViewObserver } from '../materializer/apply/observer.ts';
import type { Logger } from './logger.ts';

/** How long after a line about dead letters of a code those that follow are only counted. */
const quietMs = 60_000;

/**
 * Passes on what a generation of a view tells, and writes of its troubles to the log: the first dead letter of each
 * code, and a minute later how many came since; that something is waited for, and that it goes on; columns that the
 * records do not have. `quiet` calls back once after so many milliseconds.
 */
export function logTroubles(
  observe: ViewObserver,
  parts: { logger: Logger; view: string; generation: number; quiet?: typeof later },
): ViewObserver {
  const { logger, view, generation, quiet = later } = parts;
  /** By code, how many dead letters came since the line about the first. */
  const since = new Map<string, number>();
  let waiting = false;

  const summarize = (code: string, mend: string): void => {
    const letters = since.get(code) ?? 0;
    since.delete(code);
    if (letters === 0) return;
    logger.warn({ view, generation, code, letters, mend }, `${letters} more dead letters of this kind`);
    watch(code, mend);
  };
  const watch = (code: string, mend: string): void => {
    since.set(code, 0);
    quiet(() => summarize(code, mend), quietMs);
  };

  return {
    ...observe,
    deadLettered: (letter) => {
      observe.deadLettered(letter);
      const { topic, partition, offset, error } = letter;
      const { code, hint: mend } = error;
      const more = since.get(code);
      if (more !== undefined) {
        since.set(code, more + 1);
        return;
      }
      logger.warn(
        { view, generation, topic, partition, offset, code, mend },
        `A record became a dead letter: ${error.message}`,
      );
      watch(code, mend);
    },
    lacking: (at) => {
      observe.lacking(at);
      const columns = at.columns.map((c) => `"${c}"`).join(', ');
      const mend =
        'Correct the name in the view if it is misspelled; a column that the table got later is null in the records from before.';
      logger.warn(
        { view, generation, ...at, mend },
        `Records of ${at.topic} lack ${columns}, which the view reads as null`,
      );
    },
    retrying: (error) => {
      observe.retrying(error);
      if (waiting) return;
      waiting = true;
      const about = { view, generation, code: error.code, mend: error.hint };
      // Before the first start of its source this is as it should be.
      if (error.code === 'LOG_TOPIC') logger.info(about, error.message);
      else logger.warn(about, error.message);
    },
    recovered: () => {
      observe.recovered();
      if (waiting) logger.info({ view, generation }, 'what was waited for is there');
      waiting = false;
    },
  };
}

const later = (then: () => void, ms: number): void => void setTimeout(then, ms).unref();
