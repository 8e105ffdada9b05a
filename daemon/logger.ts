import pino from 'pino';

export type Logger = pino.Logger;

/**
 * JSON lines on stderr; stdout is for what a command reports. Level from LOG_LEVEL (default info, which tells of
 * changes of state only). Row values are never logged; secrets that slip into an object are cut out.
 */
export function createLogger(level = process.env.LOG_LEVEL ?? 'info'): Logger {
  return pino(
    {
      level: pino.levels.values[level] === undefined && level !== 'silent' ? 'info' : level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['url', 'password', '*.url', '*.password', '*.*.url', '*.*.password'],
        censor: '[secret]',
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
